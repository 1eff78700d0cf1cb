// maxAbsChannels: the largest magnitude over the channels at each pixel.
//
//   x [N, C, H, W]   ->   y [N, H, W]
//
// One invocation a pixel. NaN is the largest: max() may lose it.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let size = H * W;
  if (i >= N * size) { return; }
  let first = i / size * C * size + i % size;
  var largest = 0.0;
  for (var c = 0u; c < C; c++) { largest = larger(largest, abs(f32(x[first + c * size]))); }
  y[i] = elem(largest);
}

// shared: larger
/// The larger of two, where NaN is larger than any number. Comparisons with NaN may be optimised away; its bits may not.
fn larger(a: f32, b: f32) -> f32 { return select(a, b, b > a || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u); }
// end
