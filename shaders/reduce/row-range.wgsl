// rowRange: least and largest finite element of each row, and how many elements are not finite and not zero.
//
//   x [N, C]   ->   range [N, 4] = least, largest, number of NaN and infinities, number of elements that are not zero
//
// Both are 0 where no element is finite. Subnormal numbers count as zero, as a device may flush them. Counts are exact up to 2^24.
// One workgroup a row, then a tree; looked at as bits, as WGSL promises nothing about NaN and infinity in comparisons of floats.

alias elem = f32;

override C: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> range: array<f32>;

const LARGEST = 0x1.fffffep+127f;

var<workgroup> extremes: array<vec2f, GX>;
var<workgroup> counts: array<vec2u, GX>;  // not finite, not zero

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var extreme = vec2f(LARGEST, -LARGEST);
  var count = vec2u();
  for (var c = i; c < C; c += GX) {
    let v = f32(x[row * C + c]);
    let exponent = (bitcast<u32>(v) >> 23u) & 0xffu;
    if (exponent == 0xffu) { count.x++; }
    if (exponent != 0u) { count.y++; }
    if (exponent != 0xffu) { extreme = vec2f(min(extreme.x, v), max(extreme.y, v)); }
  }
  extremes[i] = extreme;
  counts[i] = count;
  workgroupBarrier();

  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) {
      let other = extremes[i + step];
      extremes[i] = vec2f(min(extremes[i].x, other.x), max(extremes[i].y, other.y));
      counts[i] += counts[i + step];
    }
    workgroupBarrier();
  }
  if (i == 0u) {
    let some = counts[0].x < C;
    range[row * 4u] = select(0.0, extremes[0].x, some);
    range[row * 4u + 1u] = select(0.0, extremes[0].y, some);
    range[row * 4u + 2u] = f32(counts[0].x);
    range[row * 4u + 3u] = f32(counts[0].y);
  }
}
