// conv2d (tile): cross-correlation for software adapters: 16 channels x 8 pixels an invocation, all in registers.
//
//   x [N, C, H, W], w [K, CG, R, S], b [K]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] x[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW])
//
// A CPU that runs shaders pays for a load as for a dozen multiply-adds, so 24 loads feed 128 of them. Its compiler
// pays for every branch with all these registers alive: hence one loop over channels and taps, no `&&`, no early exits, and sums
// that leave through a small loop (written out, the 128 stores take longer to compile than the rest together).
// Pixels of all images are numbered through; a workgroup takes 128 of them for one tile of channels; neighbours in a four
// take neighbouring pixels. Summed in the order c, r, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

/// Row and column in x of a pixel's first tap; pixels past the end repeat the last.
fn corner(pixel: u32) -> vec2i {
  let i = min(pixel, N * P * Q - 1u);
  return vec2i(vec2u(i / Q % P * SH, i % Q * SW)) - vec2i(vec2u(PH, PW));
}

/// Position in x of that tap in a channel; may lie outside.
fn start(pixel: u32, channel: u32) -> u32 {
  let at = corner(pixel);
  return (min(pixel, N * P * Q - 1u) / (P * Q) * C + channel) * H * W + u32(at.x * i32(W) + at.y);
}

/// A row or column before the first wraps to a huge number.
fn inside(at: vec2i) -> bool { return all(vec2u(at) < vec2u(H, W)); }

/// Where a filter begins in w; filters past the end repeat the last.
fn filter_at(k: u32, end: u32) -> u32 { return min(k, end - 1u) * CG * R * S; }

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let pixels = N * P * Q;
  let blocks = (pixels + 127u) / 128u;
  let per = K / GROUPED;
  let tiles = (per + 15u) / 16u;
  let part = group / blocks / tiles;
  let k = part * per + group / blocks % tiles * 16u;
  let end = (part + 1u) * per;
  let first = group % blocks * 128u + lane / 4u * 32u + lane % 4u;  // of pixels first, first + 4, ... first + 28

  let f0 = filter_at(k + 0u, end); let f1 = filter_at(k + 1u, end); let f2 = filter_at(k + 2u, end); let f3 = filter_at(k + 3u, end);
  let f4 = filter_at(k + 4u, end); let f5 = filter_at(k + 5u, end); let f6 = filter_at(k + 6u, end); let f7 = filter_at(k + 7u, end);
  let f8 = filter_at(k + 8u, end); let f9 = filter_at(k + 9u, end); let f10 = filter_at(k + 10u, end); let f11 = filter_at(k + 11u, end);
  let f12 = filter_at(k + 12u, end); let f13 = filter_at(k + 13u, end); let f14 = filter_at(k + 14u, end); let f15 = filter_at(k + 15u, end);
  let p0 = corner(first + 0u); let o0 = start(first + 0u, part * CG);
  let p1 = corner(first + 4u); let o1 = start(first + 4u, part * CG);
  let p2 = corner(first + 8u); let o2 = start(first + 8u, part * CG);
  let p3 = corner(first + 12u); let o3 = start(first + 12u, part * CG);
  let p4 = corner(first + 16u); let o4 = start(first + 16u, part * CG);
  let p5 = corner(first + 20u); let o5 = start(first + 20u, part * CG);
  let p6 = corner(first + 24u); let o6 = start(first + 24u, part * CG);
  let p7 = corner(first + 28u); let o7 = start(first + 28u, part * CG);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f(); var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f(); var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
  var down = 0u;   // r DH
  var right = 0u;  // s DW
  var plane = 0u;  // c H W
  for (var i = 0u; i < CG * R * S; i++) {
    let wa = vec4f(f32(w[f0 + i]), f32(w[f1 + i]), f32(w[f2 + i]), f32(w[f3 + i]));
    let wb = vec4f(f32(w[f4 + i]), f32(w[f5 + i]), f32(w[f6 + i]), f32(w[f7 + i]));
    let wc = vec4f(f32(w[f8 + i]), f32(w[f9 + i]), f32(w[f10 + i]), f32(w[f11 + i]));
    let wd = vec4f(f32(w[f12 + i]), f32(w[f13 + i]), f32(w[f14 + i]), f32(w[f15 + i]));
    let j = plane + down * W + right;
    let tap = vec2i(vec2u(down, right));
    let x0 = vec4f(select(0.0, f32(x[o0 + j]), inside(p0 + tap)));
    a0 = fma(wa, x0, a0); b0 = fma(wb, x0, b0); c0 = fma(wc, x0, c0); d0 = fma(wd, x0, d0);
    let x1 = vec4f(select(0.0, f32(x[o1 + j]), inside(p1 + tap)));
    a1 = fma(wa, x1, a1); b1 = fma(wb, x1, b1); c1 = fma(wc, x1, c1); d1 = fma(wd, x1, d1);
    let x2 = vec4f(select(0.0, f32(x[o2 + j]), inside(p2 + tap)));
    a2 = fma(wa, x2, a2); b2 = fma(wb, x2, b2); c2 = fma(wc, x2, c2); d2 = fma(wd, x2, d2);
    let x3 = vec4f(select(0.0, f32(x[o3 + j]), inside(p3 + tap)));
    a3 = fma(wa, x3, a3); b3 = fma(wb, x3, b3); c3 = fma(wc, x3, c3); d3 = fma(wd, x3, d3);
    let x4 = vec4f(select(0.0, f32(x[o4 + j]), inside(p4 + tap)));
    a4 = fma(wa, x4, a4); b4 = fma(wb, x4, b4); c4 = fma(wc, x4, c4); d4 = fma(wd, x4, d4);
    let x5 = vec4f(select(0.0, f32(x[o5 + j]), inside(p5 + tap)));
    a5 = fma(wa, x5, a5); b5 = fma(wb, x5, b5); c5 = fma(wc, x5, c5); d5 = fma(wd, x5, d5);
    let x6 = vec4f(select(0.0, f32(x[o6 + j]), inside(p6 + tap)));
    a6 = fma(wa, x6, a6); b6 = fma(wb, x6, b6); c6 = fma(wc, x6, c6); d6 = fma(wd, x6, d6);
    let x7 = vec4f(select(0.0, f32(x[o7 + j]), inside(p7 + tap)));
    a7 = fma(wa, x7, a7); b7 = fma(wb, x7, b7); c7 = fma(wc, x7, c7); d7 = fma(wd, x7, d7);
    right += DW;
    let row_done = right == S * DW;
    right = select(right, 0u, row_done);
    down += select(0u, DH, row_done);
    let plane_done = down == R * DH;
    down = select(down, 0u, plane_done);
    plane += select(0u, H * W, plane_done);
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
  if (ACT == 1u && v < 0.0) { v = 0.0; }
  y[at + (K0 + k) * P * Q] = elem(v);
}
