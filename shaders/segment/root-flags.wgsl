// rootFlags: 1 for each element that is its own parent.
//
//   parents [N, C]   ->   y [N, C]
//
//   y[n, c] = 1 if parents[n, c] is c, else 0
//
// One invocation an element.

override N: u32; override C: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> parents: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C) { return; }
  y[i] = select(0u, 1u, parents[i] == i % C);
}
