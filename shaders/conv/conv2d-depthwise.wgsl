// conv2d (depthwise): cross-correlation with zero padding where every filter has one channel, any stride and dilation.
//
//   x [N, C, H, W], w [K, 1, R, S], b [K]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over r, s of w[k, r, s] x[n, k / (K / C), p SH - PH + r DH, q SW - PW + s DW])
//
// For all adapters: such a convolution is bound by its loads, and 8 neighbours in a row share those of the filter, in one invocation. Where steps are as
// wide as taps are apart (stride 1 without dilation), pixels are loaded once a row and slide along: 10 loads of x for 8 sums of 3 taps, where
// each sum alone takes 24. Loads outside are selected away.
// Summed in the order r, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override K0: u32; override KT: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let across = (Q + 7u) / 8u;
  if (i >= N * K * P * across) { return; }
  let q = i % across * 8u;
  let p = i / across % P;
  let k = i / (across * P) % K;
  let n = i / (across * P * K);
  let plane = (n * C + k / (K / C)) * H * W;

  var a = vec4f();
  var e = vec4f();
  for (var r = 0u; r < R; r++) {
    let h = p * SH + r * DH - PH;  // before the first row wraps to a huge number
    let v = q * SW - PW;
    let row = plane + h * W;
    let f = (k * R + r) * S;
    if (SW == DW) {
      var u0 = vec4f(input(row, h, v), input(row, h, v + SW), input(row, h, v + 2u * SW), input(row, h, v + 3u * SW));
      var u1 = vec4f(input(row, h, v + 4u * SW), input(row, h, v + 5u * SW), input(row, h, v + 6u * SW), input(row, h, v + 7u * SW));
      for (var s = 0u; s < S; s++) {
        let tap = vec4f(f32(w[f + s]));
        a = fma(tap, u0, a);
        e = fma(tap, u1, e);
        u0 = vec4f(u0.yzw, u1.x);
        u1 = vec4f(u1.yzw, input(row, h, v + (8u + s) * SW));
      }
    } else {
      for (var s = 0u; s < S; s++) {
        let tap = vec4f(f32(w[f + s]));
        let t = v + s * DW;
        a = fma(tap, vec4f(input(row, h, t), input(row, h, t + SW), input(row, h, t + 2u * SW), input(row, h, t + 3u * SW)), a);
        e = fma(tap, vec4f(input(row, h, t + 4u * SW), input(row, h, t + 5u * SW), input(row, h, t + 6u * SW), input(row, h, t + 7u * SW)), e);
      }
    }
  }
  if (HAS_B == 1u) {
    a += vec4f(f32(b[k]));
    e += vec4f(f32(b[k]));
  }
  let to = ((n * KT + K0 + k) * P + p) * Q;
  put(to, q, a);
  put(to, q + 4u, e);
}

fn input(row: u32, h: u32, v: u32) -> f32 { return select(0.0, f32(x[row + v]), (h < H) & (v < W)); }

fn put(to: u32, q: u32, sum: vec4f) {
  var v = sum;
  if (ACT == 1u) { v = select(v, vec4f(), v < vec4f()); }
  if (q < Q) { y[to + q] = elem(v.x); }
  if (q + 1u < Q) { y[to + q + 1u] = elem(v.y); }
  if (q + 2u < Q) { y[to + q + 2u] = elem(v.z); }
  if (q + 3u < Q) { y[to + q + 3u] = elem(v.w); }
}
