// oneHot: a row of zeros with a one at the class.
//
//   classes [N, T] (u32)   ->   y [N, C]
//
//   y[n, c] = 1 if c == classes[n, COLUMN] else 0
//
// One invocation an element.

alias elem = f32;

override N: u32; override C: u32; override T: u32;
override COLUMN: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> classes: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C) { return; }
  if (classes[i / C * T + COLUMN] == i % C) { y[i] = elem(1.0); } else { y[i] = elem(0.0); }
}
