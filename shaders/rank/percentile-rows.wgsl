// percentileRows: an order statistic of each row, linear between two neighbours.
//
//   x [N, C]   ->   y [N]
//
//   y = (1 - FRACTION) a + FRACTION b,   a the element of place PLACE (from 0) in rising order, b the one after it
//
// Selection by radix: four rounds count the next eight bits of those elements whose higher bits are the sought one's, a fifth finds
// the least element above. Whole numbers only until the last line, so the order of the counting does not matter.
// A result that would round up to b while a < b is a: x > y then holds for exactly those elements that are above the true percentile.
// So it is where a or b is infinite and FRACTION is not 0. A row with a NaN gives NaN. One workgroup a row.

alias elem = f32;

override C: u32; override PLACE: u32; override FRACTION: f32;
override GROUPS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

const NAN = 0xffffffffu;  // its order

var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> above: atomic<u32>;   // the complement of the least order above a's; 0 if there is none
var<workgroup> hasNan: atomic<u32>;

// shared: orderOf
// A whole number that orders floats: larger for larger ones, -0 as 0, NaN above all, and never 0.
fn orderOf(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if ((bits & 0x7fffffffu) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
// end

// The number that has this order.
fn numberOf(order: u32) -> f32 {
  return bitcast<f32>(select(~order, order & 0x7fffffffu, (order >> 31u) == 1u));
}

fn isFinite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  let start = row * C;

  var high = 0u;      // the sought order's higher bits
  var place = PLACE;  // its place among the elements that have them
  var equals = 0u;
  for (var round = 0u; round < 4u; round++) {
    let shift = 24u - 8u * round;
    for (var bin = i; bin < 256u; bin += GX) { atomicStore(&counts[bin], 0u); }
    workgroupBarrier();
    for (var c = i; c < C; c += GX) {
      let order = orderOf(f32(x[start + c]));
      if (order == NAN) { atomicStore(&hasNan, 1u); }
      // Shifting by 32 would shift by 0.
      if (round == 0u || (order >> (shift + 8u)) == high) { atomicAdd(&counts[(order >> shift) & 255u], 1u); }
    }
    workgroupBarrier();
    var bin = 0u;
    equals = atomicLoad(&counts[0]);
    while (place >= equals && bin < 255u) {
      place -= equals;
      bin++;
      equals = atomicLoad(&counts[bin]);
    }
    high = (high << 8u) | bin;
    workgroupBarrier();  // before the next round overwrites the counts
  }

  let needsNext = FRACTION > 0.0 && place + 1u >= equals;
  for (var c = i; needsNext && c < C; c += GX) {
    let order = orderOf(f32(x[start + c]));
    if (order > high) { atomicMax(&above, ~order); }
  }
  workgroupBarrier();

  if (i == 0u) {
    let a = numberOf(high);
    var v = a;
    if (needsNext) {
      let b = numberOf(~atomicLoad(&above));
      if (isFinite(a) && isFinite(b)) {
        // Not a + FRACTION (b - a): that difference may overflow.
        let between = max(a, (1.0 - FRACTION) * a + FRACTION * b);
        if (f32(elem(between)) < b) { v = between; }
      }
    }
    // A NaN as bits that are not known before: WGSL has no constant NaN.
    let bits = bitcast<u32>(v) | (0x7fc00000u * atomicLoad(&hasNan));
    y[row] = elem(bitcast<f32>(bits));
  }
}
