// conv2dBackwardWeight: gradient of conv2d with respect to its weight. The readable reference.
//
//   x [N, C, H, W], dy [N, KT, P, Q] channels K0 .. K0 + K   ->   dw [K, CG, R, S]
//
//   dw[k, c, r, s] = sum over n, p, q of dy[n, K0 + k, p, q] x[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW]
//
// g = k / (K / GROUPED) is the group. One invocation an element of dw; summed in the order n, p, q.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> dy: array<elem>;
@group(0) @binding(2) var<storage, read_write> dw: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= K * CG * R * S) { return; }
  let s = i % S;
  let r = i / S % R;
  let c = i / (S * R) % CG;
  let k = i / (S * R * CG);
  let channel = k / (K / GROUPED) * CG + c;

  var sum = 0.0;
  for (var n = 0u; n < N; n++) {
    for (var p = 0u; p < P; p++) {
      let h = i32(p * SH + r * DH) - i32(PH);
      if (h < 0 || h >= i32(H)) { continue; }
      for (var q = 0u; q < Q; q++) {
        let v = i32(q * SW + s * DW) - i32(PW);
        if (v < 0 || v >= i32(W)) { continue; }
        sum += f32(dy[((n * KT + K0 + k) * P + p) * Q + q]) * f32(x[((n * C + channel) * H + u32(h)) * W + u32(v)]);
      }
    }
  }
  dw[i] = elem(sum);
}
