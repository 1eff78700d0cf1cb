// conv2dBackwardInput: gradient of conv2d with respect to its input (the transposed convolution). The readable reference.
//
//   dy [N, KT, P, Q] channels K0 .. K0 + K, w [K, CG, R, S]   ->   dx [N, C, H, W]
//
//   dx[n, g CG + c, h, v] = sum over k of group g, and over r, s, of w[k, c, r, s] dy[n, K0 + k, p, q]
//   where p SH = h + PH - r DH and q SW = v + PW - s DW      (+ what dx held, if ACCUMULATE)
//
// Gathered: one invocation an element of dx looks up the outputs it took part in; summed in the order k, r, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * H * W) { return; }
  let v = i % W;
  let h = i / W % H;
  let c = i / (W * H) % C;
  let n = i / (W * H * C);
  let per = K / GROUPED;
  let k0 = c / CG * per;

  var sum = 0.0;
  for (var k = k0; k < k0 + per; k++) {
    for (var r = 0u; r < R; r++) {
      let down = i32(h + PH) - i32(r * DH);
      if (down < 0 || down % i32(SH) != 0 || down / i32(SH) >= i32(P)) { continue; }
      for (var s = 0u; s < S; s++) {
        let right = i32(v + PW) - i32(s * DW);
        if (right < 0 || right % i32(SW) != 0 || right / i32(SW) >= i32(Q)) { continue; }
        sum += f32(w[((k * CG + c % CG) * R + r) * S + s])
          * f32(dy[((n * KT + K0 + k) * P + u32(down) / SH) * Q + u32(right) / SW]);
      }
    }
  }
  if (ACCUMULATE == 1u) { sum += f32(dx[i]); }
  dx[i] = elem(sum);
}
