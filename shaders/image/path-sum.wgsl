// pathSum: gradients along a path from a baseline to an image, added up as attributions.
//
//   g [N J, C, H, W], w [J], x [N, C, H, W], base? [N, C, H, W] (0 without)   ->   y [N, C, H, W]
//
//   y[n] = (0 if FIRST else y[n]) + (x[n] - base[n]) sum over j of w[j] g[n J + j]
//
// One invocation an element.

alias elem = f32;

override N: u32; override J: u32; override C: u32; override H: u32; override W: u32;
override HAS_BASE: u32; override FIRST: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> g: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> x: array<elem>;
@group(0) @binding(3) var<storage, read> base: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let size = C * H * W;
  if (i >= N * size) { return; }
  let first = i / size * J * size + i % size;
  var sum = 0.0;
  for (var j = 0u; j < J; j++) { sum += f32(w[j]) * f32(g[first + j * size]); }
  var way = f32(x[i]);
  if (HAS_BASE == 1u) { way -= f32(base[i]); }
  var before = 0.0;
  if (FIRST == 0u) { before = f32(y[i]); }
  y[i] = elem(before + way * sum);
}
