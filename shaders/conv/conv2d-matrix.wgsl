// conv2d (matrix): cross-correlation with zero padding, any stride, dilation and groups.
//
//   x [N, C, H, W], w [K, CG, R, S], b [K]   ->   y [N, KT, OP, OQ], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] x[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW])
//   With POOL, y [N, KT, P / 2, Q / 2]: the largest of each 2 x 2.
//
// Implicit matrix product for GPUs whose subgroups multiply matrices of SIDE x SIDE elements into 32-bit sums. A workgroup of 128 invocations makes 64 filters
// x 64 pixels (of all images); a subgroup a strip of 16 of the filters, so that four have one each. Where fewer fit into a workgroup they take strips in
// turn, where more do the rest only loads and writes. Slices 16 taps deep of both factors pass through workgroup memory, with zeros past filters, taps and
// pixels; while a slice is multiplied, the next is on its way into registers. Neighbours load neighbouring taps of w and neighbouring pixels of x. Taps are
// counted on instead of divided for, once for an invocation's two pixels. Sums leave through workgroup memory too, 16 pixels at a time, as a matrix keeps to
// itself which invocation has which element.
// Summed in the order c, r, s in slices of SIDE, within which the device decides.

enable subgroups;
enable chromium_experimental_subgroup_matrix;

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

const NEXT = 1u;

const SIDE = 8u;
const DEEP = 16u;
const STRIPS = 4u;
const HIGH = 16u / SIDE;    // matrices over each other in a strip
const ACROSS = 64u / SIDE;  // and beside each other
// Rows lie eight further apart than they are long: whole 16 bytes, which matrices are loaded by, and rows of a matrix begin in different banks.
const FILTER = DEEP + 8u;
const TAP = 64u + 8u;

alias Left = subgroup_matrix_left<elem, SIDE, SIDE>;
alias Right = subgroup_matrix_right<elem, SIDE, SIDE>;
alias Sums = subgroup_matrix_result<f32, SIDE, SIDE>;

var<workgroup> filters: array<elem, 1536>;  // [64 filters][DEEP, 8 unused]
var<workgroup> pixels: array<elem, 1152>;   // [DEEP][64 pixels, 8 unused]
var<workgroup> sums: array<f32, 1024>;      // [64 filters][16 pixels]

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (N * P * Q + 63u) / 64u;
  let per = K / GROUPED;
  let tiles = (per + 63u) / 64u;
  let part = group / blocks / tiles;
  let end = (part + 1u) * per;
  let k = part * per + group / blocks % tiles * 64u;
  let column = group % blocks * 64u;

  // What it brings of each slice: a tap of eight filters, 8 apart, and four taps of two pixels, 32 apart.
  let own = k + lane / DEEP;
  let tap = lane % DEEP;
  let to = lane / DEEP * FILTER + tap;
  let at0 = place(column + lane % 32u, part);
  let at1 = place(column + lane % 32u + 32u, part);
  let four = lane / 32u * 4u;
  let over = four * TAP + lane % 32u;
  for (var first = 0u; first < STRIPS; first += subgroups) {
    let strip = first + subgroup;
    let last = min(first + subgroups, STRIPS);
    var acc: array<Sums, HIGH * ACROSS>;
    for (var i = 0u; i < HIGH * ACROSS; i++) { acc[i] = Sums(); }  // not every compiler clears a variable at each turn of a loop
    var t = Tap(four / (R * S), four / S % R, four % S);
    var left0 = weights(own, end, tap);
    var left1 = weights(own + 32u, end, tap);
    var right0 = inputs(at0, t);
    var right1 = inputs(at1, t);
    for (var s = 0u; s < CG * R * S; s += DEEP) {
      for (var e = 0u; e < 4u; e++) {
        filters[to + e * 8u * FILTER] = left0[e];
        filters[to + (e * 8u + 32u) * FILTER] = left1[e];
        pixels[over + e * TAP] = elem(right0[e]);
        pixels[over + e * TAP + 32u] = elem(right1[e]);
      }
      workgroupBarrier();
      left0 = weights(own, end, s + DEEP + tap);
      left1 = weights(own + 32u, end, s + DEEP + tap);
      t = ahead(t, DEEP);
      right0 = inputs(at0, t);
      right1 = inputs(at1, t);
      if (strip < STRIPS) {
        for (var d = 0u; d < DEEP; d += SIDE) {
          for (var h = 0u; h < HIGH; h++) {
            let left = subgroupMatrixLoad<Left, row_major>(&filters, (strip * 16u + h * SIDE) * FILTER + d, FILTER);
            for (var q = 0u; q < ACROSS; q++) {
              let right = subgroupMatrixLoad<Right, row_major>(&pixels, d * TAP + q * SIDE, TAP);
              acc[h * ACROSS + q] = subgroupMatrixMultiplyAccumulate(left, right, acc[h * ACROSS + q]);
            }
          }
        }
      }
      workgroupBarrier();
    }

    for (var quarter = 0u; quarter < 4u; quarter++) {
      workgroupBarrier();
      if (strip < STRIPS) {
        for (var h = 0u; h < HIGH; h++) {
          for (var q = 0u; q < HIGH; q++) {
            subgroupMatrixStore<row_major>(&sums, (strip * 16u + h * SIDE) * 16u + q * SIDE, acc[h * ACROSS + quarter * HIGH + q], 16u);
          }
        }
      }
      workgroupBarrier();
      for (var i = first * 64u + lane; i < last * 64u; i += 128u) {
        let v = vec4f(sums[i * 4u], sums[i * 4u + 1u], sums[i * 4u + 2u], sums[i * 4u + 3u]);
        put(k + i / 4u, end, column + quarter * 16u + i % 4u * 4u, v);
      }
    }
  }
}

/// Tap t of four filters from k on, 8 apart; zeros past the last filter and the last tap.
fn weights(k: u32, end: u32, t: u32) -> vec4<elem> {
  return vec4<elem>(weight(k, end, t), weight(k + 8u, end, t), weight(k + 16u, end, t), weight(k + 24u, end, t));
}

fn weight(k: u32, end: u32, t: u32) -> elem { return select(elem(), w[k * CG * R * S + t], (k < end) & (t < CG * R * S)); }

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
