// linear (tile): a fully connected layer for software adapters: 16 columns x 8 rows an invocation, all in registers.
//
//   x [N, C], w [K, C], b [K], r [N, KT]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c]) + r[n, K0 + k]
//
// As conv2d-tile: 24 loads feed 128 multiply-adds; the sums leave through one small loop. A workgroup takes 128 rows of x for one
// tile of columns. Summed in the order of c.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_R: u32;
override ACT: u32;  // 0 none, 1 relu, 2 gelu
override GX = 16u;  // a multiple of 4

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> r: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

/// Where row k of w and row n of x begin; rows past the end repeat the last.
fn filter_row(k: u32) -> u32 { return min(k, K - 1u) * C; }
fn row(n: u32) -> u32 { return min(n, N - 1u) * C; }

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  let blocks = (N + GX * 8u - 1u) / (GX * 8u);
  let k = group / blocks * 16u;
  if (k >= K) { return; }
  let first = group % blocks * GX * 8u + lane / 4u * 32u + lane % 4u;  // of rows first, first + 4, ... first + 28

  let f0 = filter_row(k + 0u); let f1 = filter_row(k + 1u); let f2 = filter_row(k + 2u); let f3 = filter_row(k + 3u);
  let f4 = filter_row(k + 4u); let f5 = filter_row(k + 5u); let f6 = filter_row(k + 6u); let f7 = filter_row(k + 7u);
  let f8 = filter_row(k + 8u); let f9 = filter_row(k + 9u); let f10 = filter_row(k + 10u); let f11 = filter_row(k + 11u);
  let f12 = filter_row(k + 12u); let f13 = filter_row(k + 13u); let f14 = filter_row(k + 14u); let f15 = filter_row(k + 15u);
  let r0 = row(first + 0u); let r1 = row(first + 4u); let r2 = row(first + 8u); let r3 = row(first + 12u);
  let r4 = row(first + 16u); let r5 = row(first + 20u); let r6 = row(first + 24u); let r7 = row(first + 28u);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f(); var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f(); var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
  for (var c = 0u; c < C; c++) {
    let wa = vec4f(f32(w[f0 + c]), f32(w[f1 + c]), f32(w[f2 + c]), f32(w[f3 + c]));
    let wb = vec4f(f32(w[f4 + c]), f32(w[f5 + c]), f32(w[f6 + c]), f32(w[f7 + c]));
    let wc = vec4f(f32(w[f8 + c]), f32(w[f9 + c]), f32(w[f10 + c]), f32(w[f11 + c]));
    let wd = vec4f(f32(w[f12 + c]), f32(w[f13 + c]), f32(w[f14 + c]), f32(w[f15 + c]));
    let x0 = vec4f(f32(x[r0 + c]));
    a0 = fma(wa, x0, a0); b0 = fma(wb, x0, b0); c0 = fma(wc, x0, c0); d0 = fma(wd, x0, d0);
    let x1 = vec4f(f32(x[r1 + c]));
    a1 = fma(wa, x1, a1); b1 = fma(wb, x1, b1); c1 = fma(wc, x1, c1); d1 = fma(wd, x1, d1);
    let x2 = vec4f(f32(x[r2 + c]));
    a2 = fma(wa, x2, a2); b2 = fma(wb, x2, b2); c2 = fma(wc, x2, c2); d2 = fma(wd, x2, d2);
    let x3 = vec4f(f32(x[r3 + c]));
    a3 = fma(wa, x3, a3); b3 = fma(wb, x3, b3); c3 = fma(wc, x3, c3); d3 = fma(wd, x3, d3);
    let x4 = vec4f(f32(x[r4 + c]));
    a4 = fma(wa, x4, a4); b4 = fma(wb, x4, b4); c4 = fma(wc, x4, c4); d4 = fma(wd, x4, d4);
    let x5 = vec4f(f32(x[r5 + c]));
    a5 = fma(wa, x5, a5); b5 = fma(wb, x5, b5); c5 = fma(wc, x5, c5); d5 = fma(wd, x5, d5);
    let x6 = vec4f(f32(x[r6 + c]));
    a6 = fma(wa, x6, a6); b6 = fma(wb, x6, b6); c6 = fma(wc, x6, c6); d6 = fma(wd, x6, d6);
    let x7 = vec4f(f32(x[r7 + c]));
    a7 = fma(wa, x7, a7); b7 = fma(wb, x7, b7); c7 = fma(wc, x7, c7); d7 = fma(wd, x7, d7);
  }

  let sums = array<vec4f, 32>(
    a0, a1, a2, a3, a4, a5, a6, a7,
    b0, b1, b2, b3, b4, b5, b6, b7,
    c0, c1, c2, c3, c4, c5, c6, c7,
    d0, d1, d2, d3, d4, d5, d6, d7,
  );
  for (var i = 0u; i < 32u; i++) {
    let n = first + i % 8u * 4u;
    if (n >= N) { continue; }
    let j = k + i / 8u * 4u;
    for (var e = 0u; e < 4u; e++) {
      if (j + e < K) { put(n, j + e, sums[i][e]); }
    }
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
