// topK: the k largest elements of each row, in falling order.
//
//   x [N, C]   ->   values [N, K], indices [N, K]
//
// Of equal elements the one of lower index comes first; a NaN counts as largest. One workgroup a row, which goes over the row
// once a place: the next place is the first element, in that order, after the one before.

alias elem = f32;

override C: u32; override K: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> values: array<elem>;
@group(0) @binding(2) var<storage, read_write> indices: array<u32>;

var<workgroup> partial: array<vec2u, GX>;  // order of the largest so far, its index

// shared: orderOf
// A whole number that orders floats: larger for larger ones, -0 as 0, NaN above all, and never 0.
fn orderOf(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if ((bits & 0x7fffffffu) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
// end

fn isBefore(a: vec2u, b: vec2u) -> bool { return a.x > b.x || (a.x == b.x && a.y < b.y); }

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var last = vec2u();
  for (var k = 0u; k < K; k++) {
    var best = vec2u(0u, C);
    for (var c = i; c < C; c += GX) {
      let candidate = vec2u(orderOf(f32(x[row * C + c])), c);
      if ((k == 0u || isBefore(last, candidate)) && isBefore(candidate, best)) { best = candidate; }
    }
    partial[i] = best;
    workgroupBarrier();
    for (var step = GX / 2u; step > 0u; step /= 2u) {
      if (i < step && isBefore(partial[i + step], partial[i])) { partial[i] = partial[i + step]; }
      workgroupBarrier();
    }
    last = partial[0];
    workgroupBarrier();  // before the next place overwrites it
    if (i == 0u) {
      values[row * K + k] = x[row * C + last.y];
      indices[row * K + k] = last.y;
    }
  }
}
