// conv2dBackwardInput (phases): gradient of conv2d with respect to its input, without dilation, for strides and for few channels.
//
//   dy [N, KT, P, Q] channels K0 .. K0 + K, w [K, CG, R, S]   ->   dx [N, C, H, W]
//
//   dx[n, g CG + c, h, v] = sum over k of group g, and over r, s, of w[k, c, r, s] dy[n, K0 + k, p, q]
//   where p SH = h + PH - r and q SW = v + PW - s      (+ what dx held, if ACCUMULATE)
//
// For GPUs. The input is cut into squares of SH MH x SW MW pixels. With h + PH = SH MH a + z a pixel of phase z meets the outputs p = MH a + e through
// the taps r = z - SH e, and no others: so squares are the columns of a matrix product, (c, phase) its rows, (k, e) what it sums over, and a tap that no
// output met is never multiplied by (but for the rim of a filter). Rows of few channels are filled by larger squares, MH, MW > 1, which share
// what they read of dy.
// A workgroup of 128 invocations makes 64 rows x 64 squares (of all images), an invocation 8 x 4 of them. Slices 16 places (k, e) deep of both factors
// pass through workgroup memory (8 KiB), as vec4s of four places; an invocation brings the same of a row and of a square, with neighbours on neighbouring
// ones. 12 vec4s from that memory feed 128 multiply-adds; the next slice is on its way into registers meanwhile. An invocation's rows and columns stand 8
// and 16 apart, so that neighbours meet no bank twice.
// Summed in the order k, e: of each axis from the last tap to the first.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GROUPS: u32;
override MH = 1u; override MW = 1u;    // outputs a square has on its own, down and across
override AH: u32; override AW: u32;  // squares down and across, the first of which may begin before the image

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

var<workgroup> left: array<vec4f, 256>;   // [4 fours of places][64 rows]
var<workgroup> right: array<vec4f, 256>;  // [4 fours of places][64 squares]

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (N * AH * AW + 63u) / 64u;
  let rows = CG * SH * MH * SW * MW;
  let tiles = (rows + 63u) / 64u;
  let part = group / blocks / tiles;
  let row = group / blocks % tiles * 64u;
  let column = group % blocks * 64u;
  let per = K / GROUPED;

  // What it brings of each slice: twice four places of a row and of a square. Rows past the end repeat the last.
  let from_row = row_at(min(row + lane % 64u, rows - 1u), part);
  let from_square = square_at(column + lane % 64u, part);
  let first = lane / 64u * 4u;
  var t = Met(first / (down() * across()), first / across() % down(), first % across());
  // What it makes: rows row + i, 8 on, ... of squares column + j, 16 on, ...
  let i = lane / 16u;
  let j = lane % 16u;
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var left0 = weights(from_row, t);
  var right0 = gradients(from_square, t);
  t = later(t, 8u);
  var left1 = weights(from_row, t);
  var right1 = gradients(from_square, t);
  for (var s = 0u; s < per * down() * across(); s += 16u) {
    left[lane] = left0;
    left[lane + 128u] = left1;
    right[lane] = right0;
    right[lane + 128u] = right1;
    workgroupBarrier();
    t = later(t, 8u);
    left0 = weights(from_row, t);
    right0 = gradients(from_square, t);
    t = later(t, 8u);
    left1 = weights(from_row, t);
    right1 = gradients(from_square, t);
    for (var d = 0u; d < 4u; d++) {
      let l = d * 64u + i;
      let r = d * 64u + j;
      let v = transpose(mat4x4f(right[r], right[r + 16u], right[r + 32u], right[r + 48u]));
      a0 = add_taps(a0, left[l], v); a1 = add_taps(a1, left[l + 8u], v);
      a2 = add_taps(a2, left[l + 16u], v); a3 = add_taps(a3, left[l + 24u], v);
      a4 = add_taps(a4, left[l + 32u], v); a5 = add_taps(a5, left[l + 40u], v);
      a6 = add_taps(a6, left[l + 48u], v); a7 = add_taps(a7, left[l + 56u], v);
    }
    workgroupBarrier();
  }

  let sums = array<vec4f, 8>(a0, a1, a2, a3, a4, a5, a6, a7);
  for (var e = 0u; e < 32u; e++) {
    if (row + i + e / 4u * 8u < rows) { put(row + i + e / 4u * 8u, part, column + j + e % 4u * 16u, sums[e / 4u][e % 4u]); }
  }
}

/// Rows and columns of outputs that a square meets: as many taps are a stride apart, and one more for each output it has beyond the first.
fn down() -> u32 { return MH + (R - 1u) / SH; }
fn across() -> u32 { return MW + (S - 1u) / SW; }

/// A filter and an output, counted from the first that a square meets.
struct Met { k: u32, r: u32, s: u32 }

/// The output that comes n later, in the order k, r, s: n is a constant, and nothing is divided.
fn later(t: Met, n: u32) -> Met {
  var s = t.s + n % across();
  var r = t.r + n / across() % down() + select(0u, 1u, s >= across());
  s -= select(0u, across(), s >= across());
  let k = t.k + n / (down() * across()) + select(0u, 1u, r >= down());
  r -= select(0u, down(), r >= down());
  return Met(k, r, s);
}

/// A row's channel of its group and phase.
struct Row { c: u32, h: u32, v: u32 }

fn row_of(row: u32) -> Row {
  let phases = SW * MW;
  return Row(row / (SH * MH * phases), row / phases % (SH * MH), row % phases);
}

/// Where a row's first weight lies, and the taps by which it meets the first output.
struct RowPlace { first: u32, r: u32, s: u32 }

fn row_at(row: u32, part: u32) -> RowPlace {
  let at = row_of(row);
  return RowPlace(part * (K / GROUPED) * CG + at.c, at.h + (R - 1u) / SH * SH, at.v + (S - 1u) / SW * SW);
}

/// Four weights of a row: 0 where an output is met by no tap, and past the last filter.
fn weights(at: RowPlace, t: Met) -> vec4f {
  let u = later(t, 1u);
  let v = later(u, 1u);
  return vec4f(weight(at, t), weight(at, u), weight(at, v), weight(at, later(v, 1u)));
}

fn weight(at: RowPlace, t: Met) -> f32 {
  let r = at.r - t.r * SH;  // before the first tap: a huge number
  let s = at.s - t.s * SW;
  return select(0.0, f32(w[((at.first + t.k * CG) * R + r) * S + s]), (r < R) & (s < S) & (t.k < K / GROUPED));
}

/// The first output that a square meets (before the first row or column: a huge number), and where its group's filters begin in dy.
struct SquarePlace { p: u32, q: u32, plane: u32 }

fn square_at(square: u32, part: u32) -> SquarePlace {
  let p = (square / AW % AH + PH / (SH * MH)) * MH - (R - 1u) / SH;
  let q = (square % AW + PW / (SW * MW)) * MW - (S - 1u) / SW;
  let plane = (square / (AH * AW) * KT + K0 + part * (K / GROUPED)) * P * Q;
  return SquarePlace(select(0x80000000u, p, square < N * AH * AW), q, plane);  // squares past the end meet none
}

fn gradients(at: SquarePlace, t: Met) -> vec4f {
  let u = later(t, 1u);
  let v = later(u, 1u);
  return vec4f(gradient(at, t), gradient(at, u), gradient(at, v), gradient(at, later(v, 1u)));
}

fn gradient(at: SquarePlace, t: Met) -> f32 {
  let p = at.p + t.r;
  let q = at.q + t.s;
  return select(0.0, f32(dy[at.plane + (t.k * P + p) * Q + q]), (p < P) & (q < Q) & (t.k < K / GROUPED));
}

// shared: addTaps
/// Adds four taps f times what four pixels have there.
fn add_taps(sum: vec4f, f: vec4f, v: mat4x4f) -> vec4f {
  return fma(f.wwww, v[3], fma(f.zzzz, v[2], fma(f.yyyy, v[1], fma(f.xxxx, v[0], sum))));
}
// end

/// Writes the pixel that a square has in a row's phase.
fn put(row: u32, part: u32, square: u32, sum: f32) {
  let at = row_of(row);
  let h = (square / AW % AH + PH / (SH * MH)) * SH * MH + at.h - PH;  // before the first: a huge number
  let v = (square % AW + PW / (SW * MW)) * SW * MW + at.v - PW;
  if ((square >= N * AH * AW) | (h >= H) | (v >= W)) { return; }
  let to = ((square / (AH * AW) * C + part * CG + at.c) * H + h) * W + v;
  var value = sum;
  if (ACCUMULATE == 1u) { value += f32(dx[to]); }
  dx[to] = elem(value);
}
