// maskedConv2d (rows): conv2d of masked copies for software adapters: 8 channels x 4 x 7 pixels an invocation, all in registers.
//
//   x [I, C, H, W], w [K, CG, R, S], b [K], canvas [I, C, H, W], field [F, H, W], at [5]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] masked[n, g CG + c, p SH - PH + r DH, q SW - PW + s])
//   masked[n, c, h, v] = x[image, c, h, v] mask[h, v] + canvas[image, c, h, v] (1 - mask[h, v]),   mask = field[image ROWS + first + n]
//   at [5]: image and first mask; the rest is for other kinds of masks
//
// Masks are at full size already (expandMasks); otherwise as conv2d (rows), of which this is the copy with another load.
// Summed in the order c, r, s mod SW, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_CANVAS: u32;
override ACT: u32;  // 0 none, 1 relu
override ROWS: u32;
override TAPS: u32;  // S / SW, rounded up; 3 to 6
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> canvas: array<elem>;
@group(0) @binding(4) var<storage, read> field: array<elem>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read> at: array<u32>;
@group(0) @binding(7) var<storage, read_write> y: array<elem>;

/// Twelve elements SW apart in a row of a masked copy, of which 6 + TAPS are loaded, and whether each lies in x.
struct Row { a: vec4f, b: vec4f, c: vec4f }
struct Inside { a: vec4<bool>, b: vec4<bool>, c: vec4<bool> }
/// Six taps of a filter.
struct Taps { a: vec4f, b: vec2f }
/// Sums of seven neighbours in a row of y.
struct Seven { a: vec4f, b: vec3f }

/// Which of twelve columns, `first` and further ones SW apart, are below W, one before the first being huge.
fn inside(first: u32) -> Inside {
  let a = vec4u(first) + SW * vec4u(0u, 1u, 2u, 3u);
  return Inside(a < vec4u(W), a + 4u * SW < vec4u(W), a + 8u * SW < vec4u(W));
}

/// What a masked copy has at place i of its image and j of its mask.
fn masked(i: u32, j: u32) -> f32 {
  let share = f32(field[j]);
  var v = f32(x[i]) * share;
  if (HAS_CANVAS == 1u) { v += f32(canvas[i]) * (1.0 - share); }
  return v;
}

fn load(i: u32, j: u32, is_row: bool, columns: Inside) -> Row {
  let row = vec4<bool>(is_row);
  let a = vec4f(masked(i, j), masked(i + SW, j + SW), masked(i + 2u * SW, j + 2u * SW), masked(i + 3u * SW, j + 3u * SW));
  var c1 = 0.0; var c2 = 0.0; var c3 = 0.0;
  let c0 = masked(i + 8u * SW, j + 8u * SW);
  if (TAPS > 3u) { c1 = masked(i + 9u * SW, j + 9u * SW); }
  if (TAPS > 4u) { c2 = masked(i + 10u * SW, j + 10u * SW); }
  if (TAPS > 5u) { c3 = masked(i + 11u * SW, j + 11u * SW); }
  let b = vec4f(masked(i + 4u * SW, j + 4u * SW), masked(i + 5u * SW, j + 5u * SW), masked(i + 6u * SW, j + 6u * SW), masked(i + 7u * SW, j + 7u * SW));
  return Row(
    select(vec4f(), a, columns.a & row), select(vec4f(), b, columns.b & row), select(vec4f(), vec4f(c0, c1, c2, c3), columns.c & row),
  );
}

/// The taps of a filter's row from column s on, SW apart; 0 past its end.
fn weights(i: u32, s: u32) -> Taps {
  var a3 = 0.0; var b0 = 0.0; var b1 = 0.0;
  let a1 = select(0.0, f32(w[i + SW]), s + SW < S);
  let a2 = select(0.0, f32(w[i + 2u * SW]), s + 2u * SW < S);
  if (TAPS > 3u) { a3 = select(0.0, f32(w[i + 3u * SW]), s + 3u * SW < S); }
  if (TAPS > 4u) { b0 = select(0.0, f32(w[i + 4u * SW]), s + 4u * SW < S); }
  if (TAPS > 5u) { b1 = select(0.0, f32(w[i + 5u * SW]), s + 5u * SW < S); }
  return Taps(vec4f(f32(w[i]), a1, a2, a3), vec2f(b0, b1));
}

fn taps(sum: Seven, f: Taps, x: Row) -> Seven {
  var a = fma(f.a.xxxx, x.a, fma(f.a.yyyy, vec4f(x.a.yzw, x.b.x), fma(f.a.zzzz, vec4f(x.a.zw, x.b.xy), sum.a)));
  var b = fma(f.a.xxx, x.b.xyz, fma(f.a.yyy, x.b.yzw, fma(f.a.zzz, vec3f(x.b.zw, x.c.x), sum.b)));
  if (TAPS > 3u) { a = fma(f.a.wwww, vec4f(x.a.w, x.b.xyz), a); b = fma(f.a.www, vec3f(x.b.w, x.c.xy), b); }
  if (TAPS > 4u) { a = fma(f.b.xxxx, x.b, a); b = fma(f.b.xxx, x.c.xyz, b); }
  if (TAPS > 5u) { a = fma(f.b.yyyy, vec4f(x.b.yzw, x.c.x), a); b = fma(f.b.yyy, x.c.yzw, b); }
  return Seven(a, b);
}

/// Where a filter begins in w; filters past the end repeat the last.
fn filter_at(k: u32, end: u32) -> u32 { return min(k, end - 1u) * CG * R * S; }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  _ = &labels;  // bound for all variants alike
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let down = (P + 3u) / 4u;
  let across = (Q + 6u) / 7u;
  let places = N * down * across;
  let per = K / GROUPED;
  let tiles = (per + 7u) / 8u;
  let item = group * LANES + lane;
  let job = min(item, places * tiles * GROUPED - 1u);
  let part = job / places / tiles;
  let k = part * per + job / places % tiles * 8u;
  let end = (part + 1u) * per;
  let n = job % places / (down * across);
  let p = job / across % down * 4u;
  let q = job % across * 7u;

  let aw = filter_at(k, end); let bw = filter_at(k + 1u, end); let cw = filter_at(k + 2u, end); let dw = filter_at(k + 3u, end);
  let ew = filter_at(k + 4u, end); let fw = filter_at(k + 5u, end); let gw = filter_at(k + 6u, end); let hw = filter_at(k + 7u, end);
  var a0 = Seven(); var a1 = Seven(); var a2 = Seven(); var a3 = Seven();
  var b0 = Seven(); var b1 = Seven(); var b2 = Seven(); var b3 = Seven();
  var c0 = Seven(); var c1 = Seven(); var c2 = Seven(); var c3 = Seven();
  var d0 = Seven(); var d1 = Seven(); var d2 = Seven(); var d3 = Seven();
  var e0 = Seven(); var e1 = Seven(); var e2 = Seven(); var e3 = Seven();
  var f0 = Seven(); var f1 = Seven(); var f2 = Seven(); var f3 = Seven();
  var g0 = Seven(); var g1 = Seven(); var g2 = Seven(); var g3 = Seven();
  var h0 = Seven(); var h1 = Seven(); var h2 = Seven(); var h3 = Seven();
  let mask = (at[0] * ROWS + at[1] + n) * H * W;
  var plane = (at[0] * C + part * CG) * H * W;
  var i = 0u;  // of the tap (c, r, s)
  var r = 0u;
  var s = 0u;
  for (var t = 0u; t < CG * R * min(S, SW); t++) {
    let h = p * SH + r * DH - PH;
    let v = q * SW + s - PW;
    let place = h * W + v;
    let columns = inside(v);
    let r0 = load(plane + place, mask + place, h < H, columns);
    let r1 = load(plane + place + SH * W, mask + place + SH * W, h + SH < H, columns);
    let r2 = load(plane + place + 2u * SH * W, mask + place + 2u * SH * W, h + 2u * SH < H, columns);
    let r3 = load(plane + place + 3u * SH * W, mask + place + 3u * SH * W, h + 3u * SH < H, columns);
    let wa = weights(aw + i + s, s);
    a0 = taps(a0, wa, r0); a1 = taps(a1, wa, r1); a2 = taps(a2, wa, r2); a3 = taps(a3, wa, r3);
    let wb = weights(bw + i + s, s);
    b0 = taps(b0, wb, r0); b1 = taps(b1, wb, r1); b2 = taps(b2, wb, r2); b3 = taps(b3, wb, r3);
    let wc = weights(cw + i + s, s);
    c0 = taps(c0, wc, r0); c1 = taps(c1, wc, r1); c2 = taps(c2, wc, r2); c3 = taps(c3, wc, r3);
    let wd = weights(dw + i + s, s);
    d0 = taps(d0, wd, r0); d1 = taps(d1, wd, r1); d2 = taps(d2, wd, r2); d3 = taps(d3, wd, r3);
    let we = weights(ew + i + s, s);
    e0 = taps(e0, we, r0); e1 = taps(e1, we, r1); e2 = taps(e2, we, r2); e3 = taps(e3, we, r3);
    let wf = weights(fw + i + s, s);
    f0 = taps(f0, wf, r0); f1 = taps(f1, wf, r1); f2 = taps(f2, wf, r2); f3 = taps(f3, wf, r3);
    let wg = weights(gw + i + s, s);
    g0 = taps(g0, wg, r0); g1 = taps(g1, wg, r1); g2 = taps(g2, wg, r2); g3 = taps(g3, wg, r3);
    let wh = weights(hw + i + s, s);
    h0 = taps(h0, wh, r0); h1 = taps(h1, wh, r1); h2 = taps(h2, wh, r2); h3 = taps(h3, wh, r3);
    s++;
    let row_done = s == min(S, SW);
    s = select(s, 0u, row_done);
    i += select(0u, S, row_done);
    r += select(0u, 1u, row_done);
    let plane_done = r == R;
    r = select(r, 0u, plane_done);
    plane += select(0u, H * W, plane_done);
  }
  if (item != job) { return; }

  let sums = array<Seven, 32>(
    a0, a1, a2, a3,
    b0, b1, b2, b3,
    c0, c1, c2, c3,
    d0, d1, d2, d3,
    e0, e1, e2, e3,
    f0, f1, f2, f3,
    g0, g1, g2, g3,
    h0, h1, h2, h3,
  );
  for (var i = 0u; i < 32u; i++) {
    if ((k + i / 4u >= end) | (p + i % 4u >= P)) { continue; }
    let first = ((n * KT + K0 + k + i / 4u) * P + p + i % 4u) * Q + q;
    var bias = 0.0;
    if (HAS_B == 1u) { bias = f32(b[k + i / 4u]); }
    let a = sums[i].a + bias;
    let b = sums[i].b + bias;
    put(first, a.x, q); put(first + 1u, a.y, q + 1u); put(first + 2u, a.z, q + 2u); put(first + 3u, a.w, q + 3u);
    put(first + 4u, b.x, q + 4u); put(first + 5u, b.y, q + 5u); put(first + 6u, b.z, q + 6u);
  }
}

fn put(i: u32, sum: f32, q: u32) {
  if (q >= Q) { return; }
  y[i] = elem(select(sum, 0.0, (ACT == 1u) & (sum < 0.0)));
}
