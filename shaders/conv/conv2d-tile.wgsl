// conv2d (tile): cross-correlation for software adapters: 16 channels x 8 pixels an invocation, all in registers.
//
//   x [N, C, H, W], w [K, CG, R, S], b [K]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] x[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW])
//
// A CPU that runs shaders pays for each load as for a dozen multiply-adds, and for code when it compiles: so 24 loads feed
// 128 multiply-adds, the filter's taps are the outer loop (where a tap falls is worked out once for all channels), and
// the sums leave through one small loop. Pixels of all images are numbered through; a workgroup takes 128 of
// them for one tile of channels; four neighbouring invocations take neighbouring pixels. Summed in the order r, s, c.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

/// Position in x of a pixel's tap in the first channel, and whether it is inside.
struct Tap { at: u32, inside: bool }

fn tap(pixel: u32, r: u32, s: u32, channel: u32) -> Tap {
  let i = min(pixel, N * P * Q - 1u);
  let h = i32(i / Q % P * SH + r * DH) - i32(PH);
  let v = i32(i % Q * SW + s * DW) - i32(PW);
  let inside = h >= 0 && h < i32(H) && v >= 0 && v < i32(W);
  return Tap(select(0u, ((i / (P * Q) * C + channel) * H + u32(h)) * W + u32(v), inside), inside);
}

/// Position in w of a filter's first weight; filters past the end repeat the last.
fn row(k: u32, end: u32) -> u32 { return min(k, end - 1u) * CG * R * S; }

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  let pixels = N * P * Q;
  let blocks = (pixels + 127u) / 128u;
  let per = K / GROUPED;
  let tiles = (per + 15u) / 16u;
  let part = group / blocks / tiles;
  if (part >= GROUPED) { return; }
  let k = part * per + group / blocks % tiles * 16u;
  let end = (part + 1u) * per;
  let first = group % blocks * 128u + lane / 4u * 32u + lane % 4u;  // of pixels first, first + 4, ... first + 28

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f(); var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f(); var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
  for (var r = 0u; r < R; r++) {
    for (var s = 0u; s < S; s++) {
      let t0 = tap(first + 0u, r, s, part * CG);
      let t1 = tap(first + 4u, r, s, part * CG);
      let t2 = tap(first + 8u, r, s, part * CG);
      let t3 = tap(first + 12u, r, s, part * CG);
      let t4 = tap(first + 16u, r, s, part * CG);
      let t5 = tap(first + 20u, r, s, part * CG);
      let t6 = tap(first + 24u, r, s, part * CG);
      let t7 = tap(first + 28u, r, s, part * CG);
      let f0 = row(k + 0u, end) + r * S + s; let f1 = row(k + 1u, end) + r * S + s; let f2 = row(k + 2u, end) + r * S + s; let f3 = row(k + 3u, end) + r * S + s;
      let f4 = row(k + 4u, end) + r * S + s; let f5 = row(k + 5u, end) + r * S + s; let f6 = row(k + 6u, end) + r * S + s; let f7 = row(k + 7u, end) + r * S + s;
      let f8 = row(k + 8u, end) + r * S + s; let f9 = row(k + 9u, end) + r * S + s; let f10 = row(k + 10u, end) + r * S + s; let f11 = row(k + 11u, end) + r * S + s;
      let f12 = row(k + 12u, end) + r * S + s; let f13 = row(k + 13u, end) + r * S + s; let f14 = row(k + 14u, end) + r * S + s; let f15 = row(k + 15u, end) + r * S + s;
      for (var c = 0u; c < CG; c++) {
        let i = c * R * S;
        let wa = vec4f(f32(w[f0 + i]), f32(w[f1 + i]), f32(w[f2 + i]), f32(w[f3 + i]));
        let wb = vec4f(f32(w[f4 + i]), f32(w[f5 + i]), f32(w[f6 + i]), f32(w[f7 + i]));
        let wc = vec4f(f32(w[f8 + i]), f32(w[f9 + i]), f32(w[f10 + i]), f32(w[f11 + i]));
        let wd = vec4f(f32(w[f12 + i]), f32(w[f13 + i]), f32(w[f14 + i]), f32(w[f15 + i]));
        let j = c * H * W;
        let x0 = vec4f(select(0.0, f32(x[t0.at + j]), t0.inside));
        a0 = fma(wa, x0, a0); b0 = fma(wb, x0, b0); c0 = fma(wc, x0, c0); d0 = fma(wd, x0, d0);
        let x1 = vec4f(select(0.0, f32(x[t1.at + j]), t1.inside));
        a1 = fma(wa, x1, a1); b1 = fma(wb, x1, b1); c1 = fma(wc, x1, c1); d1 = fma(wd, x1, d1);
        let x2 = vec4f(select(0.0, f32(x[t2.at + j]), t2.inside));
        a2 = fma(wa, x2, a2); b2 = fma(wb, x2, b2); c2 = fma(wc, x2, c2); d2 = fma(wd, x2, d2);
        let x3 = vec4f(select(0.0, f32(x[t3.at + j]), t3.inside));
        a3 = fma(wa, x3, a3); b3 = fma(wb, x3, b3); c3 = fma(wc, x3, c3); d3 = fma(wd, x3, d3);
        let x4 = vec4f(select(0.0, f32(x[t4.at + j]), t4.inside));
        a4 = fma(wa, x4, a4); b4 = fma(wb, x4, b4); c4 = fma(wc, x4, c4); d4 = fma(wd, x4, d4);
        let x5 = vec4f(select(0.0, f32(x[t5.at + j]), t5.inside));
        a5 = fma(wa, x5, a5); b5 = fma(wb, x5, b5); c5 = fma(wc, x5, c5); d5 = fma(wd, x5, d5);
        let x6 = vec4f(select(0.0, f32(x[t6.at + j]), t6.inside));
        a6 = fma(wa, x6, a6); b6 = fma(wb, x6, b6); c6 = fma(wc, x6, c6); d6 = fma(wd, x6, d6);
        let x7 = vec4f(select(0.0, f32(x[t7.at + j]), t7.inside));
        a7 = fma(wa, x7, a7); b7 = fma(wb, x7, b7); c7 = fma(wc, x7, c7); d7 = fma(wd, x7, d7);
      }
    }
  }

  let sums = array<vec4f, 32>(
    a0, a1, a2, a3, a4, a5, a6, a7,
    b0, b1, b2, b3, b4, b5, b6, b7,
    c0, c1, c2, c3, c4, c5, c6, c7,
    d0, d1, d2, d3, d4, d5, d6, d7,
  );
  for (var i = 0u; i < 32u; i++) {
    let pixel = first + i % 8u * 4u;
    if (pixel >= pixels) { continue; }
    let at = pixel / (P * Q) * KT * P * Q + pixel % (P * Q);
    let j = k + i / 8u * 4u;
    put(at, j, sums[i].x, end);
    put(at, j + 1u, sums[i].y, end);
    put(at, j + 2u, sums[i].z, end);
    put(at, j + 3u, sums[i].w, end);
  }
}

fn put(at: u32, k: u32, sum: f32, end: u32) {
  if (k >= end) { return; }
  var v = sum;
  if (HAS_B == 1u) { v += f32(b[k]); }
  if (ACT == 1u) { v = max(v, 0.0); }
  y[at + (K0 + k) * P * Q] = elem(v);
}
