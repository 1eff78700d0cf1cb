// conv2dBackwardInput (tile): the transposed convolution for software adapters: 16 channels x 8 pixels an invocation.
//
//   dy [N, KT, P, Q] channels K0 .. K0 + K, w [K, CG, R, S]   ->   dx [N, C, H, W]
//
//   dx[n, g CG + c, h, v] = sum over k of group g, and over r, s, of w[k, c, r, s] dy[n, K0 + k, p, q]
//   where p SH = h + PH - r DH and q SW = v + PW - s DW      (+ what dx held, if ACCUMULATE)
//
// Built as conv2d-tile is. Pixels (h, v) of one phase (h mod SH, v mod SW) meet the same taps, so a workgroup takes 128 pixels of
// one phase, and only the taps that meet it: r = r0, r0 + RSTEP, ...; for them p = h / SH + (h mod SH + PH - r DH) / SH.
// Summed in the order k, r, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GROUPS: u32;
override RSTEP: u32; override SSTEP: u32;  // SH / gcd(SH, DH), SW / gcd(SW, DW)

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

/// Rows and columns of the largest phase.
fn grid() -> vec2u { return vec2u((H + SH - 1u) / SH, (W + SW - 1u) / SW); }

/// Row and column of a pixel within its phase; pixels past the end repeat the last.
fn cell(pixel: u32) -> vec2u {
  let i = min(pixel, N * grid().x * grid().y - 1u);
  return vec2u(i / grid().y % grid().x, i % grid().y);
}

/// Position in dy of a cell, with no tap applied.
fn start(pixel: u32, k: u32) -> u32 {
  let n = min(pixel, N * grid().x * grid().y - 1u) / (grid().x * grid().y);
  return ((n * KT + K0 + k) * P + cell(pixel).x) * Q + cell(pixel).y;
}

fn inside(at: vec2i) -> bool { return all(vec2u(at) < vec2u(P, Q)); }

/// Where a channel begins in w's first filter; channels past the end repeat the last.
fn channel_at(c: u32) -> u32 { return min(c, CG - 1u) * R * S; }

/// The first tap that meets a phase, or `taps` if none does.
fn first_tap(phase: u32, taps: u32, stride: u32, dilation: u32, step: u32) -> u32 {
  var found = taps;
  for (var r = step; r > 0u; r--) {
    if ((phase + stride * taps * dilation - (r - 1u) * dilation) % stride == 0u) { found = r - 1u; }
  }
  return found;
}

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let pixels = N * grid().x * grid().y;
  let blocks = (pixels + 127u) / 128u;
  let tiles = (CG + 15u) / 16u;
  let phase = group / blocks % (SH * SW);
  let c = group / blocks / (SH * SW) % tiles * 16u;
  let part = group / blocks / (SH * SW) / tiles;
  let per = K / GROUPED;
  let first = group % blocks * 128u + lane / 4u * 32u + lane % 4u;  // of pixels first, first + 4, ... first + 28

  let above = phase / SW + PH;
  let left = phase % SW + PW;
  let r0 = first_tap(above, R, SH, DH, RSTEP);
  let s0 = first_tap(left, S, SW, DW, SSTEP);
  let rows = (max(R, r0) - r0 + RSTEP - 1u) / RSTEP;
  let columns = (max(S, s0) - s0 + SSTEP - 1u) / SSTEP;

  let f0 = channel_at(c + 0u); let f1 = channel_at(c + 1u); let f2 = channel_at(c + 2u); let f3 = channel_at(c + 3u);
  let f4 = channel_at(c + 4u); let f5 = channel_at(c + 5u); let f6 = channel_at(c + 6u); let f7 = channel_at(c + 7u);
  let f8 = channel_at(c + 8u); let f9 = channel_at(c + 9u); let f10 = channel_at(c + 10u); let f11 = channel_at(c + 11u);
  let f12 = channel_at(c + 12u); let f13 = channel_at(c + 13u); let f14 = channel_at(c + 14u); let f15 = channel_at(c + 15u);
  let p0 = vec2i(cell(first + 0u)); let o0 = start(first + 0u, part * per);
  let p1 = vec2i(cell(first + 4u)); let o1 = start(first + 4u, part * per);
  let p2 = vec2i(cell(first + 8u)); let o2 = start(first + 8u, part * per);
  let p3 = vec2i(cell(first + 12u)); let o3 = start(first + 12u, part * per);
  let p4 = vec2i(cell(first + 16u)); let o4 = start(first + 16u, part * per);
  let p5 = vec2i(cell(first + 20u)); let o5 = start(first + 20u, part * per);
  let p6 = vec2i(cell(first + 24u)); let o6 = start(first + 24u, part * per);
  let p7 = vec2i(cell(first + 28u)); let o7 = start(first + 28u, part * per);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f(); var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f(); var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
  var r = r0;
  var s = s0;
  var k = 0u;
  for (var t = 0u; t < per * rows * columns; t++) {
    let i = ((part * per + k) * CG * R + r) * S + s;
    let wa = vec4f(f32(w[f0 + i]), f32(w[f1 + i]), f32(w[f2 + i]), f32(w[f3 + i]));
    let wb = vec4f(f32(w[f4 + i]), f32(w[f5 + i]), f32(w[f6 + i]), f32(w[f7 + i]));
    let wc = vec4f(f32(w[f8 + i]), f32(w[f9 + i]), f32(w[f10 + i]), f32(w[f11 + i]));
    let wd = vec4f(f32(w[f12 + i]), f32(w[f13 + i]), f32(w[f14 + i]), f32(w[f15 + i]));
    let tap = vec2i((i32(above) - i32(r * DH)) / i32(SH), (i32(left) - i32(s * DW)) / i32(SW));
    let j = k * P * Q + u32(tap.x * i32(Q) + tap.y);
    let x0 = vec4f(select(0.0, f32(dy[o0 + j]), inside(p0 + tap)));
    a0 = fma(wa, x0, a0); b0 = fma(wb, x0, b0); c0 = fma(wc, x0, c0); d0 = fma(wd, x0, d0);
    let x1 = vec4f(select(0.0, f32(dy[o1 + j]), inside(p1 + tap)));
    a1 = fma(wa, x1, a1); b1 = fma(wb, x1, b1); c1 = fma(wc, x1, c1); d1 = fma(wd, x1, d1);
    let x2 = vec4f(select(0.0, f32(dy[o2 + j]), inside(p2 + tap)));
    a2 = fma(wa, x2, a2); b2 = fma(wb, x2, b2); c2 = fma(wc, x2, c2); d2 = fma(wd, x2, d2);
    let x3 = vec4f(select(0.0, f32(dy[o3 + j]), inside(p3 + tap)));
    a3 = fma(wa, x3, a3); b3 = fma(wb, x3, b3); c3 = fma(wc, x3, c3); d3 = fma(wd, x3, d3);
    let x4 = vec4f(select(0.0, f32(dy[o4 + j]), inside(p4 + tap)));
    a4 = fma(wa, x4, a4); b4 = fma(wb, x4, b4); c4 = fma(wc, x4, c4); d4 = fma(wd, x4, d4);
    let x5 = vec4f(select(0.0, f32(dy[o5 + j]), inside(p5 + tap)));
    a5 = fma(wa, x5, a5); b5 = fma(wb, x5, b5); c5 = fma(wc, x5, c5); d5 = fma(wd, x5, d5);
    let x6 = vec4f(select(0.0, f32(dy[o6 + j]), inside(p6 + tap)));
    a6 = fma(wa, x6, a6); b6 = fma(wb, x6, b6); c6 = fma(wc, x6, c6); d6 = fma(wd, x6, d6);
    let x7 = vec4f(select(0.0, f32(dy[o7 + j]), inside(p7 + tap)));
    a7 = fma(wa, x7, a7); b7 = fma(wb, x7, b7); c7 = fma(wc, x7, c7); d7 = fma(wd, x7, d7);
    s += SSTEP;
    let row_done = s >= S;
    s = select(s, s0, row_done);
    r += select(0u, RSTEP, row_done);
    let filter_done = r >= R;
    r = select(r, r0, filter_done);
    k += select(0u, 1u, filter_done);
  }

  let sums = array<vec4f, 32>(
    a0, a1, a2, a3, a4, a5, a6, a7,
    b0, b1, b2, b3, b4, b5, b6, b7,
    c0, c1, c2, c3, c4, c5, c6, c7,
    d0, d1, d2, d3, d4, d5, d6, d7,
  );
  for (var i = 0u; i < 32u; i++) {
    let pixel = first + i % 8u * 4u;
    let at = cell(pixel) * vec2u(SH, SW) + vec2u(phase / SW, phase % SW);
    if (pixel >= pixels || at.x >= H || at.y >= W) { continue; }
    let n = pixel / (grid().x * grid().y);
    let j = c + i / 8u * 4u;
    let plane = (n * C + part * CG + j) * H * W + at.x * W + at.y;
    put(plane, j, sums[i].x);
    put(plane + H * W, j + 1u, sums[i].y);
    put(plane + 2u * H * W, j + 2u, sums[i].z);
    put(plane + 3u * H * W, j + 3u, sums[i].w);
  }
}

fn put(at: u32, c: u32, sum: f32) {
  if (c >= CG) { return; }
  var v = sum;
  if (ACCUMULATE == 1u) { v += f32(dx[at]); }
  dx[at] = elem(v);
}
