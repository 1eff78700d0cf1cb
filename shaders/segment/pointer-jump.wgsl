// pointerJump: each element's parent's parent.
//
//   parents [N, C]   ->   y [N, C]
//
//   y[n, c] = parents[n, parents[n, c]]
//
// A path to the root becomes half as long. One invocation an element.

override N: u32; override C: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> parents: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C) { return; }
  y[i] = parents[i / C * C + parents[i]];
}
