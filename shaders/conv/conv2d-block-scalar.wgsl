// conv2d (block-scalar): cross-correlation with zero padding, any stride, dilation and groups.
//
//   x [N, C, H, W], w [K, CG, R, S], b [K]   ->   y [N, KT, OP, OQ], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] x[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW])
//   With POOL, y [N, KT, P / 2, Q / 2]: the largest of each 2 x 2.
//
// Implicit matrix product for GPUs: a workgroup of 128 invocations makes 64 filters x 64 pixels (of all images), an invocation 8 x 4 of them.
// Slices 16 taps deep of both factors pass through workgroup memory (8 KiB), as vec4s of four taps: four scalars where w has no more to offer,
// x is gathered with neighbours on neighbouring pixels. 12 vec4s from that memory feed 128 multiply-adds. While a slice is multiplied, the next is on its
// way into registers. What a pixel's place costs to compute is paid once, taps are counted on instead of divided for. Filters lie 66 apart and an
// invocation's rows and columns stand 8 and 16 apart, so that neighbours meet no bank twice. Loads outside are selected away, not branched around.
// Summed in the order c, r, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override OP: u32; override OQ: u32;
override K0: u32; override KT: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override POOL: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

const NEXT = 16u;

var<workgroup> left: array<vec4f, 264>;   // [4 fours of taps][64 filters, 2 unused]
var<workgroup> right: array<vec4f, 256>;  // [4 fours of taps][64 pixels]

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (N * P * Q + 63u) / 64u;
  let per = K / GROUPED;
  let tiles = (per + 63u) / 64u;
  let part = group / blocks / tiles;
  let end = (part + 1u) * per;
  let k = part * per + group / blocks % tiles * 64u;
  let column = group % blocks * 64u;

  // What it brings of each slice: fours of taps of 2 filters and, twice, of a pixel.
  let four = lane % 4u;
  let to = four * 66u + lane / 4u;
  let w0 = min(k + lane / 4u, end - 1u) * CG * R * S;
  let w1 = min(k + lane / 4u + 32u, end - 1u) * CG * R * S;
  let at = place(column + lane % 64u, part);
  let first = lane / 64u * 4u;
  var t = Tap(first / (R * S), first / S % R, first % S);
  // What it makes: filters k + i, 8 on, ... of pixels column + j, 16 on, ...
  let i = lane / 16u;
  let j = lane % 16u;
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var left0 = weight(w0, four);
  var left1 = weight(w1, four);
  var right0 = inputs(at, t);
  t = ahead(t, 8u);
  var right1 = inputs(at, t);
  for (var s = 0u; s < (CG * R * S + 3u) / 4u; s += 4u) {
    left[to] = left0;
    left[to + 32u] = left1;
    right[lane] = right0;
    right[lane + 128u] = right1;
    workgroupBarrier();
    left0 = weight(w0, s + 4u + four);
    left1 = weight(w1, s + 4u + four);
    t = ahead(t, 8u);
    right0 = inputs(at, t);
    t = ahead(t, 8u);
    right1 = inputs(at, t);
    for (var d = 0u; d < 4u; d++) {
      let l = d * 66u + i;
      let r = d * 64u + j;
      let v = transpose(mat4x4f(right[r], right[r + NEXT], right[r + 2u * NEXT], right[r + 3u * NEXT]));
      a0 = add_taps(a0, left[l], v); a1 = add_taps(a1, left[l + 8u], v);
      a2 = add_taps(a2, left[l + 16u], v); a3 = add_taps(a3, left[l + 24u], v);
      a4 = add_taps(a4, left[l + 32u], v); a5 = add_taps(a5, left[l + 40u], v);
      a6 = add_taps(a6, left[l + 48u], v); a7 = add_taps(a7, left[l + 56u], v);
    }
    workgroupBarrier();
  }

  let sums = array<vec4f, 8>(a0, a1, a2, a3, a4, a5, a6, a7);
  for (var e = 0u; e < 8u; e++) { put(k + i + e * 8u, end, column + j, sums[e]); }
}

/// Four taps from 4 t of the filter that begins at `first`; zeros past its end.
fn weight(first: u32, t: u32) -> vec4f {
  let i = 4u * t;
  return vec4f(tap(first, i), tap(first, i + 1u), tap(first, i + 2u), tap(first, i + 3u));
}

fn tap(first: u32, t: u32) -> f32 { return select(0.0, f32(w[first + t]), t < CG * R * S); }

// shared: ahead
/// A channel and a place in the filter.
struct Tap { c: u32, r: u32, s: u32 }

/// The tap that comes n later, in the order c, r, s: n is a constant, and nothing is divided.
fn ahead(t: Tap, n: u32) -> Tap {
  var s = t.s + n % S;
  var r = t.r + n / S % R + select(0u, 1u, s >= S);
  s -= select(0u, S, s >= S);
  let c = t.c + n / (R * S) + select(0u, 1u, r >= R);
  r -= select(0u, R, r >= R);
  return Tap(c, r, s);
}
// end

// shared: inputs
/// Image, row and column of a pixel by its number. With POOL the four that an invocation has, NEXT apart, are a window.
fn pixel_at(number: u32) -> vec3u {
  if (POOL == 0u) { return vec3u(number / (P * Q), number / Q % P, number % Q); }
  let window = number / (4u * NEXT) * NEXT + number % NEXT;
  let e = number / NEXT % 4u;
  return vec3u(window / (OP * OQ), window / OQ % OP * 2u + e / 2u, window % OQ * 2u + e % 2u);
}

/// Where a pixel's first tap lies: row and column (before the first they wrap to huge numbers), and where its group's channels begin.
struct Place { h: u32, v: u32, plane: u32 }

fn place(number: u32, part: u32) -> Place {
  let pixel = pixel_at(number);
  let h = select(0x80000000u, pixel.y * SH - PH, pixel.x < N);  // nothing is inside for pixels past the end
  return Place(h, pixel.z * SW - PW, (pixel.x * C + part * CG) * H * W);
}

/// What four taps of a filter meet.
fn inputs(at: Place, t: Tap) -> vec4f {
  let u = ahead(t, 1u);
  let v = ahead(u, 1u);
  return vec4f(input(at, t), input(at, u), input(at, v), input(at, ahead(v, 1u)));
}

fn input(at: Place, t: Tap) -> f32 {
  let h = at.h + t.r * DH;
  let v = at.v + t.s * DW;
  return select(0.0, f32(x[at.plane + (t.c * H + h) * W + v]), (h < H) & (v < W) & (t.c < CG));
}
// end

// shared: addTaps
/// Adds four taps f times what four pixels have there.
fn add_taps(sum: vec4f, f: vec4f, v: mat4x4f) -> vec4f {
  return fma(f.wwww, v[3], fma(f.zzzz, v[2], fma(f.yyyy, v[1], fma(f.xxxx, v[0], sum))));
}
// end

// shared: putPixels
/// Writes a filter's output at four pixels, NEXT apart by their numbers, or the largest of them.
fn put(k: u32, end: u32, number: u32, sums: vec4f) {
  if (k >= end) { return; }
  var v = sums;
  if (HAS_B == 1u) { v += f32(b[k]); }
  if (ACT == 1u) { v = select(v, vec4f(), v < vec4f()); }
  if (POOL == 1u) {
    let pixel = pixel_at(number);
    if (pixel.x < N) {
      y[((pixel.x * KT + K0 + k) * OP + pixel.y / 2u) * OQ + pixel.z / 2u] = elem(larger(larger(v.x, v.y), larger(v.z, v.w)));
    }
    return;
  }
  for (var e = 0u; e < 4u; e++) {
    let pixel = number + e * NEXT;
    if (pixel < N * P * Q) { y[(pixel / (P * Q) * KT + K0 + k) * P * Q + pixel % (P * Q)] = elem(v[e]); }
  }
}
// end

// shared: larger
/// The larger of two, where NaN is larger than any number. Comparisons with NaN may be optimised away; its bits may not.
fn larger(a: f32, b: f32) -> f32 { return select(a, b, b > a || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u); }
// end
