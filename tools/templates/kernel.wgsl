// templateName: each element squared, times a factor.
//
//   x [*]   ->   y [*]
//
//   y[i] = FACTOR x[i]^2

alias elem = f32;

override SIZE: u32;
override FACTOR: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let v = f32(x[i]);
  y[i] = elem(FACTOR * v * v);
}
