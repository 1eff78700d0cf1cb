// adamStep: one step of Adam, in place.
//
//   g [SIZE], rates [2]   ->   state [3, SIZE] (parameter p, moments u and v)
//
//   u = BETA1 u + REST1 g,   v = BETA2 v + REST2 g^2,   p = clamp(p - rates[0] u / (rates[1] sqrt(v) + EPSILON), LOW, HIGH)
//
// REST is 1 - BETA. The rates hold the step's size and the moments' corrections. One invocation an element.

alias elem = f32;

override SIZE: u32;
override BETA1: f32; override REST1: f32; override BETA2: f32; override REST2: f32;
override EPSILON: f32;
override LOW: f32; override HIGH: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> g: array<elem>;
@group(0) @binding(1) var<storage, read> rates: array<elem>;
@group(0) @binding(2) var<storage, read_write> state: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let gradient = f32(g[i]);
  let u = BETA1 * f32(state[SIZE + i]) + REST1 * gradient;
  let v = BETA2 * f32(state[2u * SIZE + i]) + REST2 * gradient * gradient;
  let p = f32(state[i]) - f32(rates[0]) * u / (f32(rates[1]) * sqrt(v) + EPSILON);
  state[i] = elem(clamp(p, LOW, HIGH));
  state[SIZE + i] = elem(u);
  state[2u * SIZE + i] = elem(v);
}
