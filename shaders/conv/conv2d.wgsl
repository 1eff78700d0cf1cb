// conv2d: cross-correlation with zero padding, any stride, dilation and groups. The readable reference.
//
//   x [N, C, H, W], w [K, CG, R, S], b [K]   ->   y [N, KT, OP, OQ], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] x[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW])
//   With POOL, y [N, KT, P / 2, Q / 2]: the largest of each 2 x 2.
//
// g = k / (K / GROUPED) is the group. One invocation an output element; summed in the order c, r, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override OP: u32; override OQ: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override POOL: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * K * OP * OQ) { return; }
  let q = i % OQ;
  let p = i / OQ % OP;
  let k = i / (OQ * OP) % K;
  let n = i / (OQ * OP * K);
  var v = 0.0;
  for (var e = 0u; e < 1u + 3u * POOL; e++) {
    let o = output(n, k, (1u + POOL) * p + e / 2u, (1u + POOL) * q + e % 2u);
    v = select(larger(v, o), o, e == 0u);
  }
  y[((n * KT + K0 + k) * OP + p) * OQ + q] = elem(v);
}

fn output(n: u32, k: u32, p: u32, q: u32) -> f32 {
  let c0 = k / (K / GROUPED) * CG;
  var sum = 0.0;
  for (var c = 0u; c < CG; c++) {
    for (var r = 0u; r < R; r++) {
      let h = i32(p * SH + r * DH) - i32(PH);
      if (h < 0 || h >= i32(H)) { continue; }
      for (var s = 0u; s < S; s++) {
        let v = i32(q * SW + s * DW) - i32(PW);
        if (v < 0 || v >= i32(W)) { continue; }
        sum += f32(w[((k * CG + c) * R + r) * S + s]) * f32(x[((n * C + c0 + c) * H + u32(h)) * W + u32(v)]);
      }
    }
  }
  if (HAS_B == 1u) { sum += f32(b[k]); }
  if (ACT == 1u && sum < 0.0) { sum = 0.0; }
  return sum;
}

// shared: larger
/// The larger of two, where NaN is larger than any number. Comparisons with NaN may be optimised away; its bits may not.
fn larger(a: f32, b: f32) -> f32 { return select(a, b, b > a || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u); }
// end
