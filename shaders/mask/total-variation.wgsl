// totalVariation: gradient of a mask's total variation.
//
//   m [N, 1, H, W]   ->   dm [N, 1, H, W]
//
//   dm = gradient of sum over i, j of |m[i, j] - m[i + 1, j]|^BETA + |m[i, j] - m[i, j + 1]|^BETA
//      = sum over the pixel's neighbours, up to four, of BETA |d|^(BETA - 1) sign(d),   d = pixel - neighbour; 0 where d is 0
//
// One invocation a pixel.

alias elem = f32;

override N: u32; override H: u32; override W: u32;
override BETA: f32;
override POWER: f32;  // BETA - 1
override GX = 64u;

@group(0) @binding(0) var<storage, read> m: array<elem>;
@group(0) @binding(1) var<storage, read_write> dm: array<elem>;

fn slope(d: f32) -> f32 {
  // Whole powers without pow, which is inexact and takes the logarithm of 0.
  if (POWER == 0.0) { return BETA * sign(d); }
  if (POWER == 1.0) { return BETA * d; }
  if (POWER == 2.0) { return BETA * abs(d) * d; }
  if (d == 0.0) { return 0.0; }
  return BETA * pow(abs(d), POWER) * sign(d);
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * H * W) { return; }
  let row = i / W % H;
  let column = i % W;
  let v = f32(m[i]);
  var sum = 0.0;
  if (row > 0u) { sum += slope(v - f32(m[i - W])); }
  if (column > 0u) { sum += slope(v - f32(m[i - 1u])); }
  if (column + 1u < W) { sum += slope(v - f32(m[i + 1u])); }
  if (row + 1u < H) { sum += slope(v - f32(m[i + W])); }
  dm[i] = elem(sum);
}
