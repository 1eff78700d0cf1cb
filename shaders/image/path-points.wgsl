// pathPoints: images on the straight line from a baseline to an image.
//
//   x [N, C, H, W], at [J], base? [N, C, H, W] (0 without)   ->   y [N J, C, H, W], the points of one image next to each other
//
//   y[n J + j] = base[n] + at[j] (x[n] - base[n])
//
// One invocation an element.

alias elem = f32;

override NJ: u32; override J: u32; override C: u32; override H: u32; override W: u32;
override HAS_BASE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> at: array<elem>;
@group(0) @binding(2) var<storage, read> base: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let size = C * H * W;
  if (i >= NJ * size) { return; }
  let point = i / size;
  let place = point / J * size + i % size;
  var start = 0.0;
  if (HAS_BASE == 1u) { start = f32(base[place]); }
  y[i] = elem(start + f32(at[point % J]) * (f32(x[place]) - start));
}
