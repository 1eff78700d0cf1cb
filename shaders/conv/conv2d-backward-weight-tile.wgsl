// conv2dBackwardWeight (tile): gradient of conv2d with respect to its weight: 16 filters x 8 channels of one tap an invocation.
//
//   x [N, C, H, W], dy [N, KT, P, Q] channels K0 .. K0 + K   ->   dw [K, CG, R, S]
//
//   dw[k, c, r, s] = sum over n, p, q of dy[n, K0 + k, p, q] x[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW]
//
// Registers and the small storing loop are those of conv2d-tile: 24 loads feed 128 multiply-adds. All filters and channels of one
// tap meet the same pixels, so that is checked once a pixel. Summed in the order n, p, q.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override GX = 16u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> dy: array<elem>;
@group(0) @binding(2) var<storage, read_write> dw: array<elem>;

/// Where a filter's gradient begins in one image of dy; filters past the end repeat the last.
fn filter_at(k: u32, end: u32) -> u32 { return (K0 + min(k, end - 1u)) * P * Q; }

/// Where a channel begins in one image of x; channels past the end repeat the last.
fn channel_at(c: u32, part: u32) -> u32 { return (part * CG + min(c, CG - 1u)) * H * W; }

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let item = (wid.y * nwg.x + wid.x) * GX + lane;
  let per = K / GROUPED;
  let tiles = (per + 15u) / 16u;
  let blocks = (CG + 7u) / 8u;
  let tap = item % (R * S);
  let c = item / (R * S) % blocks * 8u;
  let tile = item / (R * S) / blocks;
  if (tile >= GROUPED * tiles) { return; }
  let part = tile / tiles;
  let k = part * per + tile % tiles * 16u;
  let end = (part + 1u) * per;

  let f0 = filter_at(k + 0u, end); let f1 = filter_at(k + 1u, end); let f2 = filter_at(k + 2u, end); let f3 = filter_at(k + 3u, end);
  let f4 = filter_at(k + 4u, end); let f5 = filter_at(k + 5u, end); let f6 = filter_at(k + 6u, end); let f7 = filter_at(k + 7u, end);
  let f8 = filter_at(k + 8u, end); let f9 = filter_at(k + 9u, end); let f10 = filter_at(k + 10u, end); let f11 = filter_at(k + 11u, end);
  let f12 = filter_at(k + 12u, end); let f13 = filter_at(k + 13u, end); let f14 = filter_at(k + 14u, end); let f15 = filter_at(k + 15u, end);
  let o0 = channel_at(c + 0u, part); let o1 = channel_at(c + 1u, part); let o2 = channel_at(c + 2u, part); let o3 = channel_at(c + 3u, part);
  let o4 = channel_at(c + 4u, part); let o5 = channel_at(c + 5u, part); let o6 = channel_at(c + 6u, part); let o7 = channel_at(c + 7u, part);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f(); var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f(); var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
  var n = 0u;
  var p = 0u;
  var q = 0u;
  for (var t = 0u; t < N * P * Q; t++) {
    let h = p * SH + tap / S * DH - PH;  // before the first row wraps to a huge number
    let v = q * SW + tap % S * DW - PW;
    let inside = (h < H) & (v < W);
    let i = n * KT * P * Q + p * Q + q;
    let wa = vec4f(f32(dy[f0 + i]), f32(dy[f1 + i]), f32(dy[f2 + i]), f32(dy[f3 + i]));
    let wb = vec4f(f32(dy[f4 + i]), f32(dy[f5 + i]), f32(dy[f6 + i]), f32(dy[f7 + i]));
    let wc = vec4f(f32(dy[f8 + i]), f32(dy[f9 + i]), f32(dy[f10 + i]), f32(dy[f11 + i]));
    let wd = vec4f(f32(dy[f12 + i]), f32(dy[f13 + i]), f32(dy[f14 + i]), f32(dy[f15 + i]));
    let j = n * C * H * W + h * W + v;
    let x0 = vec4f(select(0.0, f32(x[o0 + j]), inside));
    a0 = fma(wa, x0, a0); b0 = fma(wb, x0, b0); c0 = fma(wc, x0, c0); d0 = fma(wd, x0, d0);
    let x1 = vec4f(select(0.0, f32(x[o1 + j]), inside));
    a1 = fma(wa, x1, a1); b1 = fma(wb, x1, b1); c1 = fma(wc, x1, c1); d1 = fma(wd, x1, d1);
    let x2 = vec4f(select(0.0, f32(x[o2 + j]), inside));
    a2 = fma(wa, x2, a2); b2 = fma(wb, x2, b2); c2 = fma(wc, x2, c2); d2 = fma(wd, x2, d2);
    let x3 = vec4f(select(0.0, f32(x[o3 + j]), inside));
    a3 = fma(wa, x3, a3); b3 = fma(wb, x3, b3); c3 = fma(wc, x3, c3); d3 = fma(wd, x3, d3);
    let x4 = vec4f(select(0.0, f32(x[o4 + j]), inside));
    a4 = fma(wa, x4, a4); b4 = fma(wb, x4, b4); c4 = fma(wc, x4, c4); d4 = fma(wd, x4, d4);
    let x5 = vec4f(select(0.0, f32(x[o5 + j]), inside));
    a5 = fma(wa, x5, a5); b5 = fma(wb, x5, b5); c5 = fma(wc, x5, c5); d5 = fma(wd, x5, d5);
    let x6 = vec4f(select(0.0, f32(x[o6 + j]), inside));
    a6 = fma(wa, x6, a6); b6 = fma(wb, x6, b6); c6 = fma(wc, x6, c6); d6 = fma(wd, x6, d6);
    let x7 = vec4f(select(0.0, f32(x[o7 + j]), inside));
    a7 = fma(wa, x7, a7); b7 = fma(wb, x7, b7); c7 = fma(wc, x7, c7); d7 = fma(wd, x7, d7);
    q++;
    let row_done = q == Q;
    q = select(q, 0u, row_done);
    p += select(0u, 1u, row_done);
    let image_done = p == P;
    p = select(p, 0u, image_done);
    n += select(0u, 1u, image_done);
  }

  let sums = array<vec4f, 32>(
    a0, a1, a2, a3, a4, a5, a6, a7,
    b0, b1, b2, b3, b4, b5, b6, b7,
    c0, c1, c2, c3, c4, c5, c6, c7,
    d0, d1, d2, d3, d4, d5, d6, d7,
  );
  for (var i = 0u; i < 32u; i++) {
    if (c + i % 8u >= CG) { continue; }
    let j = k + i / 8u * 4u;
    let at = (j * CG + c + i % 8u) * R * S + tap;
    put(at, j, sums[i].x, end);
    put(at + CG * R * S, j + 1u, sums[i].y, end);
    put(at + 2u * CG * R * S, j + 2u, sums[i].z, end);
    put(at + 3u * CG * R * S, j + 3u, sums[i].w, end);
  }
}

fn put(at: u32, k: u32, sum: f32, end: u32) {
  if (k >= end) { return; }
  dw[at] = elem(sum);
}
