// linearBackwardWeight (tile): gradient of linear with respect to its weight: 16 rows x 8 columns an invocation.
//
//   x [N, C], dy [N, KT] columns K0 .. K0 + K   ->   dw [K, C]
//
//   dw[k, c] = sum over n of dy[n, K0 + k] x[n, c]
//
// Bound by writing dw for few rows. Registers and the small storing loop are those of conv2d-tile. Summed in the order of n.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override GX = 16u;  // a multiple of 4

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> dy: array<elem>;
@group(0) @binding(2) var<storage, read_write> dw: array<elem>;

/// Columns past the end repeat the last.
fn filter_at(k: u32) -> u32 { return K0 + min(k, K - 1u); }
fn column(c: u32) -> u32 { return min(c, C - 1u); }

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  let blocks = (C + GX * 8u - 1u) / (GX * 8u);
  let k = group / blocks * 16u;
  if (k >= K) { return; }
  let first = group % blocks * GX * 8u + lane / 4u * 32u + lane % 4u;  // of columns first, first + 4, ... first + 28

  let f0 = filter_at(k + 0u); let f1 = filter_at(k + 1u); let f2 = filter_at(k + 2u); let f3 = filter_at(k + 3u);
  let f4 = filter_at(k + 4u); let f5 = filter_at(k + 5u); let f6 = filter_at(k + 6u); let f7 = filter_at(k + 7u);
  let f8 = filter_at(k + 8u); let f9 = filter_at(k + 9u); let f10 = filter_at(k + 10u); let f11 = filter_at(k + 11u);
  let f12 = filter_at(k + 12u); let f13 = filter_at(k + 13u); let f14 = filter_at(k + 14u); let f15 = filter_at(k + 15u);
  let o0 = column(first + 0u); let o1 = column(first + 4u); let o2 = column(first + 8u); let o3 = column(first + 12u);
  let o4 = column(first + 16u); let o5 = column(first + 20u); let o6 = column(first + 24u); let o7 = column(first + 28u);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f(); var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f(); var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
  for (var n = 0u; n < N; n++) {
    let i = n * KT;
    let wa = vec4f(f32(dy[f0 + i]), f32(dy[f1 + i]), f32(dy[f2 + i]), f32(dy[f3 + i]));
    let wb = vec4f(f32(dy[f4 + i]), f32(dy[f5 + i]), f32(dy[f6 + i]), f32(dy[f7 + i]));
    let wc = vec4f(f32(dy[f8 + i]), f32(dy[f9 + i]), f32(dy[f10 + i]), f32(dy[f11 + i]));
    let wd = vec4f(f32(dy[f12 + i]), f32(dy[f13 + i]), f32(dy[f14 + i]), f32(dy[f15 + i]));
    let j = n * C;
    let x0 = vec4f(f32(x[o0 + j]));
    a0 = fma(wa, x0, a0); b0 = fma(wb, x0, b0); c0 = fma(wc, x0, c0); d0 = fma(wd, x0, d0);
    let x1 = vec4f(f32(x[o1 + j]));
    a1 = fma(wa, x1, a1); b1 = fma(wb, x1, b1); c1 = fma(wc, x1, c1); d1 = fma(wd, x1, d1);
    let x2 = vec4f(f32(x[o2 + j]));
    a2 = fma(wa, x2, a2); b2 = fma(wb, x2, b2); c2 = fma(wc, x2, c2); d2 = fma(wd, x2, d2);
    let x3 = vec4f(f32(x[o3 + j]));
    a3 = fma(wa, x3, a3); b3 = fma(wb, x3, b3); c3 = fma(wc, x3, c3); d3 = fma(wd, x3, d3);
    let x4 = vec4f(f32(x[o4 + j]));
    a4 = fma(wa, x4, a4); b4 = fma(wb, x4, b4); c4 = fma(wc, x4, c4); d4 = fma(wd, x4, d4);
    let x5 = vec4f(f32(x[o5 + j]));
    a5 = fma(wa, x5, a5); b5 = fma(wb, x5, b5); c5 = fma(wc, x5, c5); d5 = fma(wd, x5, d5);
    let x6 = vec4f(f32(x[o6 + j]));
    a6 = fma(wa, x6, a6); b6 = fma(wb, x6, b6); c6 = fma(wc, x6, c6); d6 = fma(wd, x6, d6);
    let x7 = vec4f(f32(x[o7 + j]));
    a7 = fma(wa, x7, a7); b7 = fma(wb, x7, b7); c7 = fma(wc, x7, c7); d7 = fma(wd, x7, d7);
  }

  let sums = array<vec4f, 32>(
    a0, a1, a2, a3, a4, a5, a6, a7,
    b0, b1, b2, b3, b4, b5, b6, b7,
    c0, c1, c2, c3, c4, c5, c6, c7,
    d0, d1, d2, d3, d4, d5, d6, d7,
  );
  for (var i = 0u; i < 32u; i++) {
    let c = first + i % 8u * 4u;
    if (c >= C) { continue; }
    let j = k + i / 8u * 4u;
    put(j, c, sums[i].x);
    put(j + 1u, c, sums[i].y);
    put(j + 2u, c, sums[i].z);
    put(j + 3u, c, sums[i].w);
  }
}

fn put(k: u32, c: u32, sum: f32) {
  if (k >= K) { return; }
  dw[k * C + c] = elem(sum);
}
