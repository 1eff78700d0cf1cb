// upsampledRange: least and largest element that each map has once it is enlarged, without enlarging it in memory.
//
//   x [N, K, H, W]   ->   range [N, K, 2]
//
//   over all pixels of P x Q: bilinear interpolation of x, pixel centres aligned by area (align_corners false)
//
// One workgroup a map: GX partial extremes, then a tree.

alias elem = f32;

override H: u32; override W: u32; override P: u32; override Q: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> range: array<elem>;

const LARGEST = 0x1.fffffep+127f;
var<workgroup> extremes: array<vec2f, GX>;

// Pixel (p, q) of the map that begins at `first`, enlarged from H x W to P x Q.
fn enlarged(first: u32, p: u32, q: u32) -> f32 {
  let v = clamp((f32(p) + 0.5) * f32(H) / f32(P) - 0.5, 0.0, f32(H - 1u));
  let u = clamp((f32(q) + 0.5) * f32(W) / f32(Q) - 0.5, 0.0, f32(W - 1u));
  let top = u32(v);
  let left = u32(u);
  let bottom = min(top + 1u, H - 1u);
  let right = min(left + 1u, W - 1u);
  let above = between(f32(x_at(first + top * W + left)), f32(x_at(first + top * W + right)), u - f32(left));
  let below = between(f32(x_at(first + bottom * W + left)), f32(x_at(first + bottom * W + right)), u - f32(left));
  return between(above, below, v - f32(top));
}

fn x_at(i: u32) -> elem { return x[i]; }

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let map = wid.y * nwg.x + wid.x;
  if (map >= GROUPS) { return; }
  var low = LARGEST;
  var high = -LARGEST;
  for (var j = i; j < P * Q; j += GX) {
    let value = enlarged(map * H * W, j / Q, j % Q);
    low = -larger(-low, -value);
    high = larger(high, value);
  }
  extremes[i] = vec2f(low, high);
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) {
      let mine = extremes[i];
      let other = extremes[i + step];
      extremes[i] = vec2f(-larger(-mine.x, -other.x), larger(mine.y, other.y));
    }
    workgroupBarrier();
  }
  if (i == 0u) {
    range[2u * map] = elem(extremes[0].x);
    range[2u * map + 1u] = elem(extremes[0].y);
  }
}

// shared: between
// The point at share t from a to b; exactly a where they are equal, so that a flat map stays flat.
fn between(a: f32, b: f32, t: f32) -> f32 { return a + t * (b - a); }
// end

// shared: larger
/// The larger of two, where NaN is larger than any number. Comparisons with NaN may be optimised away; its bits may not.
fn larger(a: f32, b: f32) -> f32 { return select(a, b, b > a || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u); }
// end
