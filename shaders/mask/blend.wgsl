// blend: an image where its mask is 1, a canvas where it is 0.
//
//   x [B, C, H, W], mask [M, H, W], canvas [B, C, H, W] (0 if it is left out)   ->   y [M, C, H, W]
//
//   y[m, c, i] = x[b, c, i] mask[m, i] + canvas[b, c, i] (1 - mask[m, i]),   b = IMAGE if ONE, else m / EACH, rounded down
//
// One invocation an element. Exactly x where the mask is 1, and the canvas where it is 0.

alias elem = f32;

override M: u32; override C: u32; override H: u32; override W: u32;
override HAS_CANVAS: u32;
override EACH: u32;  // masks of an image
override ONE: u32; override IMAGE: u32;  // whether all masks are of one image, and which
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> mask: array<elem>;
@group(0) @binding(2) var<storage, read> canvas: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let area = H * W;
  let size = C * area;
  if (i >= M * size) { return; }
  let m = i / size;
  var b = IMAGE;
  if (ONE == 0u) { b = m / EACH; }
  let place = b * size + i % size;
  let share = f32(mask[m * area + i % area]);
  var v = f32(x[place]) * share;
  if (HAS_CANVAS == 1u) { v += f32(canvas[place]) * (1.0 - share); }
  y[i] = elem(v);
}
