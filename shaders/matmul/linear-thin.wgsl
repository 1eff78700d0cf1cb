// linear (thin): a fully connected layer for few rows, for software adapters: 4 columns x up to 8 rows an invocation.
//
//   x [N, C], w [K, C], b [K], r [N, KT]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c]) + r[n, K0 + k]
//
// Bound by reading w: every weight is used N times only. So w is read once for every eight rows of x, in vec4s (C divides by 4).
// Four partial sums by c mod 4, each in the order of c, then added.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_R: u32;
override ACT: u32;  // 0 none, 1 relu, 2 gelu
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> r: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

/// Where row k of w and row n of x begin, in vec4s; rows past the end repeat the last.
fn filter_at(k: u32) -> u32 { return min(k, K - 1u) * (C / 4u); }
fn row(n: u32) -> u32 { return min(n, N - 1u) * (C / 4u); }

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (K + 63u) / 64u;
  let k = group % blocks * 64u + lane * 4u;
  let n = group / blocks * 8u;

  let fa = filter_at(k); let fb = filter_at(k + 1u); let fc = filter_at(k + 2u); let fd = filter_at(k + 3u);
  let r0 = row(n + 0u); let r1 = row(n + 1u); let r2 = row(n + 2u); let r3 = row(n + 3u);
  let r4 = row(n + 4u); let r5 = row(n + 5u); let r6 = row(n + 6u); let r7 = row(n + 7u);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f(); var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f(); var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
  for (var c = 0u; c < C / 4u; c++) {
    let wa = vec4f(w[fa + c]); let wb = vec4f(w[fb + c]); let wc = vec4f(w[fc + c]); let wd = vec4f(w[fd + c]);
    let x0 = vec4f(x[r0 + c]);
    a0 = fma(wa, x0, a0); b0 = fma(wb, x0, b0); c0 = fma(wc, x0, c0); d0 = fma(wd, x0, d0);
    if (N > 1u) {
      let x1 = vec4f(x[r1 + c]);
      a1 = fma(wa, x1, a1); b1 = fma(wb, x1, b1); c1 = fma(wc, x1, c1); d1 = fma(wd, x1, d1);
    }
    if (N > 2u) {
      let x2 = vec4f(x[r2 + c]);
      a2 = fma(wa, x2, a2); b2 = fma(wb, x2, b2); c2 = fma(wc, x2, c2); d2 = fma(wd, x2, d2);
    }
    if (N > 3u) {
      let x3 = vec4f(x[r3 + c]);
      a3 = fma(wa, x3, a3); b3 = fma(wb, x3, b3); c3 = fma(wc, x3, c3); d3 = fma(wd, x3, d3);
    }
    if (N > 4u) {
      let x4 = vec4f(x[r4 + c]);
      a4 = fma(wa, x4, a4); b4 = fma(wb, x4, b4); c4 = fma(wc, x4, c4); d4 = fma(wd, x4, d4);
    }
    if (N > 5u) {
      let x5 = vec4f(x[r5 + c]);
      a5 = fma(wa, x5, a5); b5 = fma(wb, x5, b5); c5 = fma(wc, x5, c5); d5 = fma(wd, x5, d5);
    }
    if (N > 6u) {
      let x6 = vec4f(x[r6 + c]);
      a6 = fma(wa, x6, a6); b6 = fma(wb, x6, b6); c6 = fma(wc, x6, c6); d6 = fma(wd, x6, d6);
    }
    if (N > 7u) {
      let x7 = vec4f(x[r7 + c]);
      a7 = fma(wa, x7, a7); b7 = fma(wb, x7, b7); c7 = fma(wc, x7, c7); d7 = fma(wd, x7, d7);
    }
  }

  let sums = array<vec4f, 32>(
    a0, a1, a2, a3, a4, a5, a6, a7,
    b0, b1, b2, b3, b4, b5, b6, b7,
    c0, c1, c2, c3, c4, c5, c6, c7,
    d0, d1, d2, d3, d4, d5, d6, d7,
  );
  for (var i = 0u; i < 32u; i++) {
    let j = k + i / 8u;
    if (n + i % 8u >= N || j >= K) { continue; }
    put(n + i % 8u, j, dot(sums[i], vec4f(1.0)));
  }
}

// shared: put
/// Writes row n, column k from its sum.
fn put(n: u32, k: u32, sum: f32) {
  var v = sum;
  if (HAS_B == 1u) { v += f32(b[k]); }
  if (ACT == 1u && v < 0.0) { v = 0.0; }
  if (ACT == 2u) { v *= normal(v).x; }
  let at = n * KT + K0 + k;
  if (HAS_R == 1u) { v += f32(r[at]); }
  y[at] = elem(v);
}
// end

// shared: normal
/// Standard normal distribution up to v, and its density there.
fn normal(v: f32) -> vec2f {
  let a = min(abs(v), 20.0);  // both are 0 or 1 in f32 long before
  let u = a * a;
  let bell = exp(-0.5 * u);
  let near = a * (0.398942292 + u * (-0.0664903373 + u * (0.00997324102 + u * (-0.00118648866 + u * (0.000114356539
    + u * (-8.71835618e-06 + u * 4.11563093e-07))))));
  let t = 1.0 / (1.0 + 0.4 * a);
  let tail = bell * t * (0.159597307 + t * (0.159074277 + t * (0.139169052 + t * (0.0550102144 + t * (0.106224626
    + t * (-0.187086016 + t * 0.0682916045))))));
  let below = select(tail, 0.5 - near, a < 1.5);
  return vec2f(select(below, select(1.0 - tail, 0.5 + near, a < 1.5), v > 0.0), 0.39894228 * bell);
}
// end
