// conv2dBackwardInput (three): the transposed convolution with 3 x 3 filters, stride 1, for software adapters: 4 channels x 7 x 7 pixels an invocation.
//
//   dy [N, KT, P, Q] channels K0 .. K0 + K, w [K, CG, 3, 3]   ->   dx [N, C, H, W]
//
//   dx[n, g CG + c, h, v] = sum over k of group g, and over r, s, of w[k, c, r, s] dy[n, K0 + k, h + PH - r, v + PW - s]      (+ what dx held, if ACCUMULATE)
//
// Built as conv2d (three) is: it is the convolution of dy with the filters turned by half a circle.
// Summed in the order k; then, within a filter, r and s from the last.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32;
override P: u32; override Q: u32;
override PH: u32; override PW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<array<elem, 9>>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

/// Nine neighbours in a row of dy, and whether each lies in dy.
struct Row { a: vec4f, b: vec4f, c: f32 }
struct Inside { a: vec4<bool>, b: vec4<bool>, c: bool }
/// Sums of seven neighbours in a row of dx.
struct Seven { a: vec4f, b: vec3f }

/// Which of nine places from `first` on are below `length`, one before the first being huge; places 1 to 7 always are if `is_sure`.
fn inside(first: u32, length: u32, is_sure: bool) -> Inside {
  let places = vec4u(first) + vec4u(0u, 1u, 2u, 3u);
  let sure = vec4<bool>(is_sure);
  let rest = vec3<bool>(is_sure);
  let a = places < vec4u(length);
  let b = places + 4u < vec4u(length);
  return Inside(vec4<bool>(a.x, a.yzw | rest), b | sure, first + 8u < length);
}

fn load(at: u32, is_row: bool, columns: Inside) -> Row {
  let a = vec4f(f32(dy[at]), f32(dy[at + 1u]), f32(dy[at + 2u]), f32(dy[at + 3u]));
  let b = vec4f(f32(dy[at + 4u]), f32(dy[at + 5u]), f32(dy[at + 6u]), f32(dy[at + 7u]));
  let row = vec4<bool>(is_row);
  return Row(select(vec4f(), a, columns.a & row), select(vec4f(), b, columns.b & row), select(0.0, f32(dy[at + 8u]), columns.c & is_row));
}

/// Adds three taps of a row.
fn taps(sum: Seven, u: f32, v: f32, w: f32, x: Row) -> Seven {
  return Seven(
    fma(vec4f(w), vec4f(x.a.zw, x.b.xy), fma(vec4f(v), vec4f(x.a.yzw, x.b.x), fma(vec4f(u), x.a, sum.a))),
    fma(vec3f(w), vec3f(x.b.zw, x.c), fma(vec3f(v), x.b.yzw, fma(vec3f(u), x.b.xyz, sum.b))),
  );
}

/// Adds nine taps, the filter's last first.
fn nine(sum: Seven, f: array<elem, 9>, r0: Row, r1: Row, r2: Row) -> Seven {
  let above = taps(sum, f32(f[8]), f32(f[7]), f32(f[6]), r0);
  let middle = taps(above, f32(f[5]), f32(f[4]), f32(f[3]), r1);
  return taps(middle, f32(f[2]), f32(f[1]), f32(f[0]), r2);
}

/// Where a channel begins in w's first filter; channels past the end repeat the last.
fn channel_at(c: u32) -> u32 { return min(c, CG - 1u); }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let down = (H + 6u) / 7u;
  let across = (W + 6u) / 7u;
  let squares = N * down * across;
  let per = K / GROUPED;
  let tiles = (CG + 3u) / 4u;
  let item = group * LANES + lane;
  let job = min(item, squares * tiles * GROUPED - 1u);
  let part = job / squares / tiles;
  let c = job / squares % tiles * 4u;
  let n = job % squares / (down * across);
  let h = job / across % down * 7u;
  let v = job % across * 7u;

  let rows = inside(h + PH - 2u, P, (H % 7u == 0u) & (PH == 1u));
  let columns = inside(v + PW - 2u, Q, (W % 7u == 0u) & (PW == 1u));
  var at = ((n * KT + K0 + part * per) * P + h + PH - 2u) * Q + v + PW - 2u;
  let aw = channel_at(c); let bw = channel_at(c + 1u); let cw = channel_at(c + 2u); let dw = channel_at(c + 3u);
  var a0 = Seven(); var a1 = Seven(); var a2 = Seven(); var a3 = Seven(); var a4 = Seven(); var a5 = Seven(); var a6 = Seven();
  var b0 = Seven(); var b1 = Seven(); var b2 = Seven(); var b3 = Seven(); var b4 = Seven(); var b5 = Seven(); var b6 = Seven();
  var c0 = Seven(); var c1 = Seven(); var c2 = Seven(); var c3 = Seven(); var c4 = Seven(); var c5 = Seven(); var c6 = Seven();
  var d0 = Seven(); var d1 = Seven(); var d2 = Seven(); var d3 = Seven(); var d4 = Seven(); var d5 = Seven(); var d6 = Seven();
  for (var k = 0u; k < per; k++) {
    let first = (part * per + k) * CG;
    let r0 = load(at, rows.a.x, columns);
    let r1 = load(at + Q, rows.a.y, columns);
    let r2 = load(at + 2u * Q, rows.a.z, columns);
    let r3 = load(at + 3u * Q, rows.a.w, columns);
    let r4 = load(at + 4u * Q, rows.b.x, columns);
    let r5 = load(at + 5u * Q, rows.b.y, columns);
    let r6 = load(at + 6u * Q, rows.b.z, columns);
    let r7 = load(at + 7u * Q, rows.b.w, columns);
    let r8 = load(at + 8u * Q, rows.c, columns);
    let wa = w[first + aw];
    a0 = nine(a0, wa, r0, r1, r2); a1 = nine(a1, wa, r1, r2, r3); a2 = nine(a2, wa, r2, r3, r4); a3 = nine(a3, wa, r3, r4, r5);
    a4 = nine(a4, wa, r4, r5, r6); a5 = nine(a5, wa, r5, r6, r7); a6 = nine(a6, wa, r6, r7, r8);
    let wb = w[first + bw];
    b0 = nine(b0, wb, r0, r1, r2); b1 = nine(b1, wb, r1, r2, r3); b2 = nine(b2, wb, r2, r3, r4); b3 = nine(b3, wb, r3, r4, r5);
    b4 = nine(b4, wb, r4, r5, r6); b5 = nine(b5, wb, r5, r6, r7); b6 = nine(b6, wb, r6, r7, r8);
    let wc = w[first + cw];
    c0 = nine(c0, wc, r0, r1, r2); c1 = nine(c1, wc, r1, r2, r3); c2 = nine(c2, wc, r2, r3, r4); c3 = nine(c3, wc, r3, r4, r5);
    c4 = nine(c4, wc, r4, r5, r6); c5 = nine(c5, wc, r5, r6, r7); c6 = nine(c6, wc, r6, r7, r8);
    let wd = w[first + dw];
    d0 = nine(d0, wd, r0, r1, r2); d1 = nine(d1, wd, r1, r2, r3); d2 = nine(d2, wd, r2, r3, r4); d3 = nine(d3, wd, r3, r4, r5);
    d4 = nine(d4, wd, r4, r5, r6); d5 = nine(d5, wd, r5, r6, r7); d6 = nine(d6, wd, r6, r7, r8);
    at += P * Q;
  }
  if (item != job) { return; }

  let sums = array<Seven, 28>(
    a0, a1, a2, a3, a4, a5, a6,
    b0, b1, b2, b3, b4, b5, b6,
    c0, c1, c2, c3, c4, c5, c6,
    d0, d1, d2, d3, d4, d5, d6,
  );
  for (var i = 0u; i < 28u; i++) {
    if ((c + i / 7u >= CG) | (h + i % 7u >= H)) { continue; }
    let first = ((n * C + part * CG + c + i / 7u) * H + h + i % 7u) * W + v;
    let a = sums[i].a;
    let b = sums[i].b;
    put(first, a.x, v); put(first + 1u, a.y, v + 1u); put(first + 2u, a.z, v + 2u); put(first + 3u, a.w, v + 3u);
    put(first + 4u, b.x, v + 4u); put(first + 5u, b.y, v + 5u); put(first + 6u, b.z, v + 6u);
  }
}

fn put(at: u32, sum: f32, v: u32) {
  if (v >= W) { return; }
  var total = sum;
  if (ACCUMULATE == 1u) { total += f32(dx[at]); }
  dx[at] = elem(total);
}
