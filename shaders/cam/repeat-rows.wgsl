// repeatRows: each row several times.
//
//   x [N, C]   ->   y [M, C],   M = N COPIES
//
//   y[m, c] = x[m / COPIES, c]
//
// One invocation an element.

alias elem = f32;

override M: u32; override C: u32; override COPIES: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= M * C) { return; }
  y[i] = x[i / C / COPIES * C + i % C];
}
