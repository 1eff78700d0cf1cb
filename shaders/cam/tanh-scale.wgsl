// tanhScale: a map squeezed towards 1 so that maps of different layers can be compared (LayerCAM, section III-C).
//
//   x [N, S], range [N, 4] (min, max, ...)   ->   y [N, S]
//
//   y = tanh(GAMMA relu(x) / max),   0 where max is not above 0

alias elem = f32;

override N: u32; override S: u32;
override GAMMA: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> range: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * S) { return; }
  let largest = f32(range[i / S * 4u + 1u]);
  // From 15 on tanh is 1; some drivers make it of exponentials, which overflow.
  if (largest > 0.0) { y[i] = elem(tanh(min(GAMMA * max(f32(x[i]), 0.0) / largest, 15.0))); } else { y[i] = elem(0.0); }
}
