// copyRow: copies of one row.
//
//   x [N, C], at [5] = row, ...   ->   y [M, C]
//
//   y[m, c] = x[at[0], c]
//
// One invocation an element.

alias elem = f32;

override M: u32; override C: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> at: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= M * C) { return; }
  y[i] = x[at[0] * C + i % C];
}
