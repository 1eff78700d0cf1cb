// maskedConv2d (tile): conv2d of masked copies for software adapters: 16 channels x 8 pixels an invocation, all in registers.
//
//   x [I, C, H, W], w [K, CG, R, S], b [K], canvas [I, C, H, W], field [F, H, W], at [5]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] masked[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW])
//   masked[n, c, h, v] = x[image, c, h, v] mask[h, v] + canvas[image, c, h, v] (1 - mask[h, v]),   mask = field[image ROWS + first + n]
//   at [5]: image and first mask; the rest is for other kinds of masks
//
// Masks are at full size already (expandMasks); otherwise as conv2d (tile), of which this is the copy with another load.
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
override HAS_B: u32; override HAS_CANVAS: u32;
override ACT: u32;  // 0 none, 1 relu
override ROWS: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> canvas: array<elem>;
@group(0) @binding(4) var<storage, read> field: array<elem>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read> at: array<u32>;
@group(0) @binding(7) var<storage, read_write> y: array<elem>;

/// Row and column in x of a pixel's first tap; pixels past the end repeat the last.
fn corner(pixel: u32) -> vec2i {
  let i = min(pixel, N * P * Q - 1u);
  return vec2i(vec2u(i / Q % P * SH, i % Q * SW)) - vec2i(vec2u(PH, PW));
}

/// Position of that tap in a plane; may lie outside.
fn first_place(pixel: u32) -> u32 {
  let there = corner(pixel);
  return u32(there.x * i32(W) + there.y);
}

/// Where the mask of a pixel's copy begins.
fn mask_at(pixel: u32) -> u32 { return (at[0] * ROWS + at[1] + min(pixel, N * P * Q - 1u) / (P * Q)) * H * W; }

/// What a masked copy has at place i of its image and j of its mask.
fn load(i: u32, j: u32, is_inside: bool) -> vec4f {
  let share = f32(field[j]);
  var v = f32(x[i]) * share;
  if (HAS_CANVAS == 1u) { v += f32(canvas[i]) * (1.0 - share); }
  return vec4f(select(0.0, v, is_inside));
}

/// A row or column before the first wraps to a huge number.
fn inside(place: vec2i) -> bool { return all(vec2u(place) < vec2u(H, W)); }

/// Where a filter begins in w; filters past the end repeat the last.
fn filter_at(k: u32, end: u32) -> u32 { return min(k, end - 1u) * CG * R * S; }

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  _ = &labels;  // bound for all variants alike
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
  let p0 = corner(first + 0u); let o0 = first_place(first + 0u); let m0 = mask_at(first + 0u) + o0;
  let p1 = corner(first + 4u); let o1 = first_place(first + 4u); let m1 = mask_at(first + 4u) + o1;
  let p2 = corner(first + 8u); let o2 = first_place(first + 8u); let m2 = mask_at(first + 8u) + o2;
  let p3 = corner(first + 12u); let o3 = first_place(first + 12u); let m3 = mask_at(first + 12u) + o3;
  let p4 = corner(first + 16u); let o4 = first_place(first + 16u); let m4 = mask_at(first + 16u) + o4;
  let p5 = corner(first + 20u); let o5 = first_place(first + 20u); let m5 = mask_at(first + 20u) + o5;
  let p6 = corner(first + 24u); let o6 = first_place(first + 24u); let m6 = mask_at(first + 24u) + o6;
  let p7 = corner(first + 28u); let o7 = first_place(first + 28u); let m7 = mask_at(first + 28u) + o7;
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f(); var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f(); var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
  var down = 0u;   // r DH
  var right = 0u;  // s DW
  var plane = (at[0] * C + part * CG) * H * W;
  for (var i = 0u; i < CG * R * S; i++) {
    let wa = vec4f(f32(w[f0 + i]), f32(w[f1 + i]), f32(w[f2 + i]), f32(w[f3 + i]));
    let wb = vec4f(f32(w[f4 + i]), f32(w[f5 + i]), f32(w[f6 + i]), f32(w[f7 + i]));
    let wc = vec4f(f32(w[f8 + i]), f32(w[f9 + i]), f32(w[f10 + i]), f32(w[f11 + i]));
    let wd = vec4f(f32(w[f12 + i]), f32(w[f13 + i]), f32(w[f14 + i]), f32(w[f15 + i]));
    let there = down * W + right;
    let j = plane + there;
    let tap = vec2i(vec2u(down, right));
    let x0 = load(o0 + j, m0 + there, inside(p0 + tap));
    a0 = fma(wa, x0, a0); b0 = fma(wb, x0, b0); c0 = fma(wc, x0, c0); d0 = fma(wd, x0, d0);
    let x1 = load(o1 + j, m1 + there, inside(p1 + tap));
    a1 = fma(wa, x1, a1); b1 = fma(wb, x1, b1); c1 = fma(wc, x1, c1); d1 = fma(wd, x1, d1);
    let x2 = load(o2 + j, m2 + there, inside(p2 + tap));
    a2 = fma(wa, x2, a2); b2 = fma(wb, x2, b2); c2 = fma(wc, x2, c2); d2 = fma(wd, x2, d2);
    let x3 = load(o3 + j, m3 + there, inside(p3 + tap));
    a3 = fma(wa, x3, a3); b3 = fma(wb, x3, b3); c3 = fma(wc, x3, c3); d3 = fma(wd, x3, d3);
    let x4 = load(o4 + j, m4 + there, inside(p4 + tap));
    a4 = fma(wa, x4, a4); b4 = fma(wb, x4, b4); c4 = fma(wc, x4, c4); d4 = fma(wd, x4, d4);
    let x5 = load(o5 + j, m5 + there, inside(p5 + tap));
    a5 = fma(wa, x5, a5); b5 = fma(wb, x5, b5); c5 = fma(wc, x5, c5); d5 = fma(wd, x5, d5);
    let x6 = load(o6 + j, m6 + there, inside(p6 + tap));
    a6 = fma(wa, x6, a6); b6 = fma(wb, x6, b6); c6 = fma(wc, x6, c6); d6 = fma(wd, x6, d6);
    let x7 = load(o7 + j, m7 + there, inside(p7 + tap));
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
    let start = pixel / (P * Q) * KT * P * Q + pixel % (P * Q);
    let j = k + i / 8u * 4u;
    put(start, j, sums[i].x, end);
    put(start, j + 1u, sums[i].y, end);
    put(start, j + 2u, sums[i].z, end);
    put(start, j + 3u, sums[i].w, end);
  }
}

fn put(start: u32, k: u32, sum: f32, end: u32) {
  if (k >= end) { return; }
  var v = sum;
  if (HAS_B == 1u) { v += f32(b[k]); }
  if (ACT == 1u && v < 0.0) { v = 0.0; }
  y[start + (K0 + k) * P * Q] = elem(v);
}
