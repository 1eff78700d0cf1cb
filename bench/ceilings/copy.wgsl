// copyCeiling: a copy, as fast as the adapter can.
//
//   x [T, 4]   ->   y [T, 4]
//
// Each invocation copies four rows, GX apart, so that neighbours touch neighbouring memory.

alias elem = f32;

override T: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<elem>>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * 4u * GX + lane;
  if (i < T) { y[i] = x[i]; }
  if (i + GX < T) { y[i + GX] = x[i + GX]; }
  if (i + 2u * GX < T) { y[i + 2u * GX] = x[i + 2u * GX]; }
  if (i + 3u * GX < T) { y[i + 3u * GX] = x[i + 3u * GX]; }
}
