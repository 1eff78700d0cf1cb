// thresholdRows: elements at or below their row's threshold become 0.
//
//   x [N, C], threshold [N]   ->   y [N, C]
//
//   y[n, c] = x[n, c] if x[n, c] > threshold[n], else 0
//
// Compared as whole numbers, as WGSL promises nothing about NaN in comparisons of floats. A NaN element stays; under a NaN threshold
// the other elements become 0. One invocation an element.

alias elem = f32;

override N: u32; override C: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> threshold: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

const NAN = 0xffffffffu;  // its order

// shared: orderOf
// A whole number that orders floats: larger for larger ones, -0 as 0, NaN above all, and never 0.
fn orderOf(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if ((bits & 0x7fffffffu) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C) { return; }
  let order = orderOf(f32(x[i]));
  let stays = order == NAN || order > orderOf(f32(threshold[i / C]));
  y[i] = select(elem(0.0), x[i], stays);
}
