// digitCounts: how often each digit occurs in each part of each row: the first third of a round of radix sort.
//
//   x [N, C], order [N, C] (if HAS_ORDER; else the elements' own)   ->   counts [N, 256, T]
//
//   counts[n, d, t] = number of elements in part t of row n, as ordered so far, whose digit is d
//
// A part is LENGTH elements. One invocation a part, which counts by itself: no barrier and no atomic.

alias elem = f32;

override N: u32; override C: u32; override T: u32; override LENGTH: u32;
override DIGIT: u32;  // 0 (lowest) to 3
override RISING: u32;
override HAS_ORDER: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;

// shared: orderOf
// A whole number that orders floats: larger for larger ones, -0 as 0, NaN above all, and never 0.
fn orderOf(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if ((bits & 0x7fffffffu) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
// end

// shared: digitOf
// The digit, eight bits, that this round sorts by: of element c of the row. Falling order is rising order of the complement.
fn digitOf(row: u32, c: u32) -> u32 {
  let key = orderOf(f32(x[row * C + c]));
  return (select(~key, key, RISING == 1u) >> (8u * DIGIT)) & 255u;
}
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * T) { return; }
  let row = i / T;
  let part = i % T;
  var own: array<u32, 256>;
  for (var j = part * LENGTH; j < min((part + 1u) * LENGTH, C); j++) {
    var c = j;
    if (HAS_ORDER == 1u) { c = order[row * C + j]; }
    own[digitOf(row, c)]++;
  }
  for (var d = 0u; d < 256u; d++) { counts[(row * 256u + d) * T + part] = own[d]; }
}
