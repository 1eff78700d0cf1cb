// maskedConv2d (three): conv2d of masked copies with 3 x 3 filters, stride 1, for software adapters: 4 channels x 7 x 7 pixels an invocation.
//
//   x [I, C, H, W], w [K, CG, 3, 3], b [K], canvas [I, C, H, W], field [F, H, W], at [5]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] masked[n, g CG + c, p - PH + r, q - PW + s])
//   masked[n, c, h, v] = x[image, c, h, v] mask[h, v] + canvas[image, c, h, v] (1 - mask[h, v]),   mask = field[image ROWS + first + n]
//   at [5]: image and first mask; the rest is for other kinds of masks
//
// Masks are at full size already (expandMasks); otherwise as conv2d (three), of which this is the copy with another load. The elements of a mask are
// loaded for each channel anew: kept in 81 registers they cost more.
// Summed in the order c; then, within a channel, r and s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32;
override P: u32; override Q: u32;
override PH: u32; override PW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_CANVAS: u32;
override ACT: u32;  // 0 none, 1 relu
override ROWS: u32;
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<array<elem, 9>>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> canvas: array<elem>;
@group(0) @binding(4) var<storage, read> field: array<elem>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read> at: array<u32>;
@group(0) @binding(7) var<storage, read_write> y: array<elem>;

/// Nine neighbours in a row of x, and whether each lies in x.
struct Row { a: vec4f, b: vec4f, c: f32 }
struct Inside { a: vec4<bool>, b: vec4<bool>, c: bool }
/// Sums of seven neighbours in a row of y.
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

fn mask_row(i: u32) -> Row {
  return Row(
    vec4f(f32(field[i]), f32(field[i + 1u]), f32(field[i + 2u]), f32(field[i + 3u])),
    vec4f(f32(field[i + 4u]), f32(field[i + 5u]), f32(field[i + 6u]), f32(field[i + 7u])),
    f32(field[i + 8u]),
  );
}

/// What a masked copy has from place i of its image on.
fn load(i: u32, mask: Row, is_row: bool, columns: Inside) -> Row {
  var a = mask.a * vec4f(f32(x[i]), f32(x[i + 1u]), f32(x[i + 2u]), f32(x[i + 3u]));
  var b = mask.b * vec4f(f32(x[i + 4u]), f32(x[i + 5u]), f32(x[i + 6u]), f32(x[i + 7u]));
  var c = mask.c * f32(x[i + 8u]);
  if (HAS_CANVAS == 1u) {
    a += (1.0 - mask.a) * vec4f(f32(canvas[i]), f32(canvas[i + 1u]), f32(canvas[i + 2u]), f32(canvas[i + 3u]));
    b += (1.0 - mask.b) * vec4f(f32(canvas[i + 4u]), f32(canvas[i + 5u]), f32(canvas[i + 6u]), f32(canvas[i + 7u]));
    c += (1.0 - mask.c) * f32(canvas[i + 8u]);
  }
  let row = vec4<bool>(is_row);
  return Row(select(vec4f(), a, columns.a & row), select(vec4f(), b, columns.b & row), select(0.0, c, columns.c & is_row));
}

/// Adds three taps of a row.
fn taps(sum: Seven, u: f32, v: f32, w: f32, x: Row) -> Seven {
  return Seven(
    fma(vec4f(w), vec4f(x.a.zw, x.b.xy), fma(vec4f(v), vec4f(x.a.yzw, x.b.x), fma(vec4f(u), x.a, sum.a))),
    fma(vec3f(w), vec3f(x.b.zw, x.c), fma(vec3f(v), x.b.yzw, fma(vec3f(u), x.b.xyz, sum.b))),
  );
}

fn nine(sum: Seven, f: array<elem, 9>, r0: Row, r1: Row, r2: Row) -> Seven {
  let above = taps(sum, f32(f[0]), f32(f[1]), f32(f[2]), r0);
  let middle = taps(above, f32(f[3]), f32(f[4]), f32(f[5]), r1);
  return taps(middle, f32(f[6]), f32(f[7]), f32(f[8]), r2);
}

/// Where a filter begins in w; filters past the end repeat the last.
fn filter_at(k: u32, end: u32) -> u32 { return min(k, end - 1u) * CG; }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  _ = &labels;  // bound for all variants alike
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let down = (P + 6u) / 7u;
  let across = (Q + 6u) / 7u;
  let squares = N * down * across;
  let per = K / GROUPED;
  let tiles = (per + 3u) / 4u;
  let item = group * LANES + lane;
  let job = min(item, squares * tiles * GROUPED - 1u);
  let part = job / squares / tiles;
  let k = part * per + job / squares % tiles * 4u;
  let end = (part + 1u) * per;
  let n = job % squares / (down * across);
  let p = job / across % down * 7u;
  let q = job % across * 7u;

  let rows = inside(p - PH, H, (P % 7u == 0u) & (PH <= 1u));
  let columns = inside(q - PW, W, (Q % 7u == 0u) & (PW <= 1u));
  let corner = (p - PH) * W + q - PW;
  let mask = (at[0] * ROWS + at[1] + n) * H * W + corner;
  var plane = (at[0] * C + part * CG) * H * W + corner;
  let aw = filter_at(k, end); let bw = filter_at(k + 1u, end); let cw = filter_at(k + 2u, end); let dw = filter_at(k + 3u, end);
  var a0 = Seven(); var a1 = Seven(); var a2 = Seven(); var a3 = Seven(); var a4 = Seven(); var a5 = Seven(); var a6 = Seven();
  var b0 = Seven(); var b1 = Seven(); var b2 = Seven(); var b3 = Seven(); var b4 = Seven(); var b5 = Seven(); var b6 = Seven();
  var c0 = Seven(); var c1 = Seven(); var c2 = Seven(); var c3 = Seven(); var c4 = Seven(); var c5 = Seven(); var c6 = Seven();
  var d0 = Seven(); var d1 = Seven(); var d2 = Seven(); var d3 = Seven(); var d4 = Seven(); var d5 = Seven(); var d6 = Seven();
  for (var c = 0u; c < CG; c++) {
    let r0 = load(plane, mask_row(mask), rows.a.x, columns);
    let r1 = load(plane + W, mask_row(mask + 1u * W), rows.a.y, columns);
    let r2 = load(plane + 2u * W, mask_row(mask + 2u * W), rows.a.z, columns);
    let r3 = load(plane + 3u * W, mask_row(mask + 3u * W), rows.a.w, columns);
    let r4 = load(plane + 4u * W, mask_row(mask + 4u * W), rows.b.x, columns);
    let r5 = load(plane + 5u * W, mask_row(mask + 5u * W), rows.b.y, columns);
    let r6 = load(plane + 6u * W, mask_row(mask + 6u * W), rows.b.z, columns);
    let r7 = load(plane + 7u * W, mask_row(mask + 7u * W), rows.b.w, columns);
    let r8 = load(plane + 8u * W, mask_row(mask + 8u * W), rows.c, columns);
    let wa = w[aw + c];
    a0 = nine(a0, wa, r0, r1, r2); a1 = nine(a1, wa, r1, r2, r3); a2 = nine(a2, wa, r2, r3, r4); a3 = nine(a3, wa, r3, r4, r5);
    a4 = nine(a4, wa, r4, r5, r6); a5 = nine(a5, wa, r5, r6, r7); a6 = nine(a6, wa, r6, r7, r8);
    let wb = w[bw + c];
    b0 = nine(b0, wb, r0, r1, r2); b1 = nine(b1, wb, r1, r2, r3); b2 = nine(b2, wb, r2, r3, r4); b3 = nine(b3, wb, r3, r4, r5);
    b4 = nine(b4, wb, r4, r5, r6); b5 = nine(b5, wb, r5, r6, r7); b6 = nine(b6, wb, r6, r7, r8);
    let wc = w[cw + c];
    c0 = nine(c0, wc, r0, r1, r2); c1 = nine(c1, wc, r1, r2, r3); c2 = nine(c2, wc, r2, r3, r4); c3 = nine(c3, wc, r3, r4, r5);
    c4 = nine(c4, wc, r4, r5, r6); c5 = nine(c5, wc, r5, r6, r7); c6 = nine(c6, wc, r6, r7, r8);
    let wd = w[dw + c];
    d0 = nine(d0, wd, r0, r1, r2); d1 = nine(d1, wd, r1, r2, r3); d2 = nine(d2, wd, r2, r3, r4); d3 = nine(d3, wd, r3, r4, r5);
    d4 = nine(d4, wd, r4, r5, r6); d5 = nine(d5, wd, r5, r6, r7); d6 = nine(d6, wd, r6, r7, r8);
    plane += H * W;
  }
  if (item != job) { return; }

  let sums = array<Seven, 28>(
    a0, a1, a2, a3, a4, a5, a6,
    b0, b1, b2, b3, b4, b5, b6,
    c0, c1, c2, c3, c4, c5, c6,
    d0, d1, d2, d3, d4, d5, d6,
  );
  for (var i = 0u; i < 28u; i++) {
    if ((k + i / 7u >= end) | (p + i % 7u >= P)) { continue; }
    let first = ((n * KT + K0 + k + i / 7u) * P + p + i % 7u) * Q + q;
    var bias = 0.0;
    if (HAS_B == 1u) { bias = f32(b[k + i / 7u]); }
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
