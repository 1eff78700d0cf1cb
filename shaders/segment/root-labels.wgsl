// rootLabels: the number of each element's root.
//
//   roots [N, C], numbers [N, C]   ->   y [N, C]
//
//   y[n, c] = numbers[n, roots[n, c]] modulo MOST
//
// One invocation an element.

override N: u32; override C: u32;
override MOST: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> roots: array<u32>;
@group(0) @binding(1) var<storage, read> numbers: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C) { return; }
  y[i] = numbers[i / C * C + roots[i]] % MOST;
}
