// mixParts: each element as a combination of itself, its positive part, its negative part, its square and 1.
//
//   x [*], c [5]   ->   y [*]
//
//   y[i] = c[0] x + c[1] max(x, 0) + c[2] min(x, 0) + c[3] x^2 + c[4],   x = x[i]

alias elem = f32;

override SIZE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> c: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let v = f32(x[i]);
  let line = f32(c[0]) * v + f32(c[1]) * max(v, 0.0) + f32(c[2]) * min(v, 0.0);
  y[i] = elem(line + f32(c[3]) * v * v + f32(c[4]));
}
