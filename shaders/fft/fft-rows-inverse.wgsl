// fftRowsInverse: real maps from the spectra of their rows; the factor of the whole 2-D inverse is here.
//
//   x [N, H, V, 2], t [TW, 2]   ->   y [N, H, W]
//
//   y[n,h,j] = real part of (sum over v of x[n,h,v] exp(2 pi i v j / W)) / (H W)
//
// Frequencies from V on are the conjugates of those they mirror, or 0 where those are not there either. A line is two rows: with
// A and B the parts of their spectra that mirror to their conjugates, A + i B gives the real part of one row in x and of the other in y.
// A workgroup has LINES lines.
// Radices 2, 3, 4, 5 and 7 within workgroup memory, in place; a side with another prime factor by Bluestein's convolution. Sines and
// cosines are read from t: WGSL's own may be off by 2^-11.

alias elem = f32;

override N: u32; override H: u32; override W: u32; override V: u32;
override SIDE = W;
override P: u32;        // points of the stages: the side, or Bluestein's convolution
override FACTORS: u32;  // radices, four bits each, the first stage's lowest
override STAGES: u32;
override CHIRP: u32;    // 1: the side has a prime factor above 7
override HALVES: u32;   // passes of P points that Bluestein's convolution takes
override GROUPS: u32;
override LINES = 1u;    // lines of a workgroup, P * LINES at most 2048
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read> t: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

var<workgroup> s: array<vec2f, P * LINES>;

// shared: stages
fn cmul(a: vec2f, b: vec2f) -> vec2f { return vec2f(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }

// What a butterfly works on: `s[base + k * step]`, each but the first turned by the k-th power of t[turn]. dir is 1 forward, -1 back.
struct Wing { base: u32, step: u32, turn: u32, dir: f32 }

// Forward multiplies behind the butterfly, back before it: so each undoes the other, up to the factor P.
fn take(g: Wing, k: u32) -> vec2f {
  let v = s[g.base + k * g.step];
  if (g.dir > 0.0) { return v; }
  let w = t[g.turn * k];
  return cmul(v, vec2f(w.x, -w.y));
}

fn give(g: Wing, k: u32, v: vec2f) {
  if (g.dir > 0.0) { s[g.base + k * g.step] = cmul(v, t[g.turn * k]); } else { s[g.base + k * g.step] = v; }
}

fn giveTwo(g: Wing, k: u32, other: u32, even: vec2f, odd: vec2f) {
  give(g, k, even + odd);
  give(g, other, even - odd);
}

// a times -i forward, i back.
fn quarter(g: Wing, a: vec2f) -> vec2f { return g.dir * vec2f(a.y, -a.x); }

fn wing2(g: Wing) {
  giveTwo(g, 0u, 1u, s[g.base], take(g, 1u));
}

fn wing3(g: Wing) {
  let a = s[g.base];
  let b = take(g, 1u);
  let c = take(g, 2u);
  s[g.base] = a + b + c;
  giveTwo(g, 1u, 2u, a - 0.5 * (b + c), SIN_3 * quarter(g, b - c));
}

fn wing4(g: Wing) {
  let a = s[g.base];
  let b = take(g, 1u);
  let c = take(g, 2u);
  let d = take(g, 3u);
  giveTwo(g, 0u, 2u, a + c, b + d);
  giveTwo(g, 1u, 3u, a - c, quarter(g, b - d));
}

fn wing5(g: Wing) {
  let a = s[g.base];
  let b = take(g, 1u);
  let c = take(g, 2u);
  let d = take(g, 3u);
  let e = take(g, 4u);
  let p = b + e;
  let q = c + d;
  let m = quarter(g, b - e);
  let n = quarter(g, c - d);
  s[g.base] = a + p + q;
  giveTwo(g, 1u, 4u, a + COS_5 * p + COS_25 * q, SIN_5 * m + SIN_25 * n);
  giveTwo(g, 2u, 3u, a + COS_25 * p + COS_5 * q, SIN_25 * m - SIN_5 * n);
}

fn wing7(g: Wing) {
  let a = s[g.base];
  let b = take(g, 1u);
  let c = take(g, 2u);
  let d = take(g, 3u);
  let e = take(g, 4u);
  let f = take(g, 5u);
  let h = take(g, 6u);
  let p = b + h;
  let q = c + f;
  let r = d + e;
  let m = quarter(g, b - h);
  let n = quarter(g, c - f);
  let o = quarter(g, d - e);
  s[g.base] = a + p + q + r;
  giveTwo(g, 1u, 6u, a + COS_7 * p + COS_27 * q + COS_37 * r, SIN_7 * m + SIN_27 * n + SIN_37 * o);
  giveTwo(g, 2u, 5u, a + COS_27 * p + COS_37 * q + COS_7 * r, SIN_27 * m - SIN_37 * n - SIN_7 * o);
  giveTwo(g, 3u, 4u, a + COS_37 * p + COS_7 * q + COS_27 * r, SIN_37 * m - SIN_7 * n + SIN_27 * o);
}

// sines and cosines of 2 pi / 3, k 2 pi / 5, k 2 pi / 7
const SIN_3 = 0.86602540378443864676;
const COS_5 = 0.30901699437494742410;
const COS_25 = -0.80901699437494742410;
const SIN_5 = 0.95105651629515357212;
const SIN_25 = 0.58778525229247312917;
const COS_7 = 0.62348980185873353053;
const COS_27 = -0.22252093395631440429;
const COS_37 = -0.90096886790241912624;
const SIN_7 = 0.78183148246802980871;
const SIN_27 = 0.97492791218182360702;
const SIN_37 = 0.43388373911755812048;

fn stage(radix: u32, span: u32, dir: f32, lane: u32) {
  for (var i = lane; i < P / radix * LINES; i += GX) {
    let b = i / LINES;
    let j = b % span;
    let g = Wing(((b - j) * radix + j) * LINES + i % LINES, span * LINES, j * (P / (radix * span)), dir);
    switch radix {
      case 2u: { wing2(g); }
      case 3u: { wing3(g); }
      case 4u: { wing4(g); }
      case 5u: { wing5(g); }
      default: { wing7(g); }
    }
  }
  workgroupBarrier();
}

// Lines of P elements in order -> their spectra, frequency f at place(f): decimation in frequency, in place.
fn stagesForward(lane: u32) {
  var span = P;
  for (var k = 0u; k < STAGES; k++) {
    let radix = (FACTORS >> (4u * k)) & 15u;
    span /= radix;
    stage(radix, span, 1.0, lane);
  }
}

// The same stages undone, last one first: P times the lines, in order again.
fn stagesBack(lane: u32) {
  var span = 1u;
  for (var k = STAGES; k > 0u; k--) {
    let radix = (FACTORS >> (4u * k - 4u)) & 15u;
    stage(radix, span, -1.0, lane);
    span *= radix;
  }
}

// Bluestein: x[j] w[j] convolved with conj(w), times w, where w[j] = exp(-i pi j j / SIDE); L elements in order -> in order.
// The convolution has P points, or 2 P where HALVES is 2: its even and odd frequencies are then two passes of P points
// after one another, which is all that workgroup memory has to hold. Each invocation keeps its share (8 at most) in registers.
// Behind the P twiddles, t has for each half: factors for the way in, factors for the way out, the spectrum of conj(w).
fn chirp(dir: f32, lane: u32) {
  var given: array<vec2f, 8>;
  var sum: array<vec2f, 8>;
  for (var i = 0u; i < 8u; i++) {
    let at = i * GX + lane;
    if (at < SIDE * LINES) { given[i] = s[at] * vec2f(1.0, dir); }
  }
  for (var half = 0u; half < HALVES; half++) {
    let factors = P + half * (2u * SIDE + P);
    for (var i = 0u; i < 8u; i++) {
      let at = i * GX + lane;
      if (at < P * LINES) {
        var v = vec2f();
        if (at < SIDE * LINES) { v = cmul(given[i], t[factors + at / LINES]); }
        s[at] = v;
      }
    }
    workgroupBarrier();
    stagesForward(lane);
    for (var at = lane; at < P * LINES; at += GX) { s[at] = cmul(s[at], t[factors + 2u * SIDE + at / LINES]); }
    workgroupBarrier();
    stagesBack(lane);
    for (var i = 0u; i < 8u; i++) {
      let at = i * GX + lane;
      if (at < SIDE * LINES) { sum[i] += cmul(s[at], t[factors + SIDE + at / LINES]); }
    }
  }
  // Each invocation writes what only it has read.
  for (var i = 0u; i < 8u; i++) {
    let at = i * GX + lane;
    if (at < SIDE * LINES) { s[at] = sum[i] * vec2f(1.0, dir); }
  }
  workgroupBarrier();
}

fn dft(lane: u32) {
  if (CHIRP == 1u) { chirp(1.0, lane); } else { stagesForward(lane); }
}

fn dftBack(lane: u32) {
  if (CHIRP == 1u) { chirp(-1.0, lane); } else { stagesBack(lane); }
}

// Where a frequency lies in `s`.
fn place(f: u32) -> u32 {
  if (CHIRP == 1u) { return f; }
  return u32(t[P + f].x);
}
// end

// Frequency v of the part of a row's spectrum that mirrors to its conjugate.
fn mirrored(row: u32, v: u32) -> vec2f {
  let m = (W - v) % W;
  var sum = vec2f();
  if (v < V) { sum = x[row * V + v]; }
  if (m < V) {
    let other = x[row * V + m] * vec2f(1.0, -1.0);
    if (v < V) { sum = 0.5 * (sum + other); } else { sum = other; }
  }
  return sum;
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let pairs = (H + 1u) / 2u;

  for (var i = lane; i < W * LINES; i += GX) {
    let v = i % W;
    let line = i / W;
    let pair = group * LINES + line;
    var z = vec2f();
    if (pair < N * pairs) {
      let h = pair % pairs * 2u;
      let row = pair / pairs * H + h;
      z = mirrored(row, v);
      if (h + 1u < H) {
        let b = mirrored(row + 1u, v);
        z += vec2f(-b.y, b.x);
      }
    }
    s[place(v) * LINES + line] = z;
  }
  workgroupBarrier();
  dftBack(lane);

  let scale = 1.0 / f32(H * W);
  for (var i = lane; i < W * LINES; i += GX) {
    let j = i % W;
    let line = i / W;
    let pair = group * LINES + line;
    if (pair < N * pairs) {
      let h = pair % pairs * 2u;
      let at = (pair / pairs * H + h) * W + j;
      let v = scale * s[j * LINES + line];
      y[at] = elem(v.x);
      if (h + 1u < H) { y[at + W] = elem(v.y); }
    }
  }
}
