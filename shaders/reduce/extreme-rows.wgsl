// maxRows, minRows: the largest element of each row, or the smallest (LEAST).
//
//   x [N, C]   ->   y [N]
//
// A row with a NaN gives NaN. One workgroup a row, then a tree; compared as whole numbers, as WGSL promises nothing about
// NaN and infinity in comparisons of floats.

alias elem = f32;

override C: u32;
override LEAST: u32;  // 0 maximum, 1 minimum
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

var<workgroup> partial: array<u32, GX>;

// shared: orderOf
// A whole number that orders floats: larger for larger ones, -0 as 0, NaN above all, and never 0.
fn orderOf(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if ((bits & 0x7fffffffu) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
// end

const NAN = 0xffffffffu;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var most = 0u;
  for (var c = i; c < C; c += GX) {
    let order = orderOf(f32(x[row * C + c]));
    most = max(most, select(order, ~order, LEAST == 1u && order != NAN));
  }
  partial[i] = most;
  workgroupBarrier();

  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] = max(partial[i], partial[i + step]); }
    workgroupBarrier();
  }
  if (i == 0u) {
    most = partial[0];
    let order = select(most, ~most, LEAST == 1u && most != NAN);
    y[row] = elem(bitcast<f32>(select(~order, order & 0x7fffffffu, (order >> 31u) == 1u)));
  }
}
