// linearBackwardInput (tile): gradient of linear with respect to its input, for software adapters: 16 columns x 8 rows an invocation.
//
//   dy [N, KT] columns K0 .. K0 + K, w [K, C]   ->   dx [N, C]
//
//   dx[n, c] = sum over k of w[k, c] dy[n, K0 + k]      (+ what dx held, if ACCUMULATE)
//
// w is read once for every eight rows of dy, as vec4s, so C divides by 4. For one image it is bound by that reading.
// Registers and the small storing loop are those of conv2d-tile. Summed in the order of k.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<elem>>;

/// Where row n of dy begins; rows past the end repeat the last.
fn row(n: u32) -> u32 { return min(n, N - 1u) * KT + K0; }

/// Column of vec4s, the last if past the end.
fn column(c: u32) -> u32 { return min(c, C / 4u - 1u); }

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (C + 255u) / 256u;
  let first = group % blocks * 64u + lane / 4u * 16u + lane % 4u;  // of vec4s first, first + 4, first + 8, first + 12
  let n = group / blocks * 8u;

  let fa = column(first); let fb = column(first + 4u); let fc = column(first + 8u); let fd = column(first + 12u);
  let r0 = row(n + 0u); let r1 = row(n + 1u); let r2 = row(n + 2u); let r3 = row(n + 3u);
  let r4 = row(n + 4u); let r5 = row(n + 5u); let r6 = row(n + 6u); let r7 = row(n + 7u);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f(); var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f(); var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
  for (var k = 0u; k < K; k++) {
    let i = k * (C / 4u);
    let wa = vec4f(w[fa + i]); let wb = vec4f(w[fb + i]); let wc = vec4f(w[fc + i]); let wd = vec4f(w[fd + i]);
    let x0 = vec4f(f32(dy[r0 + k]));
    a0 = fma(wa, x0, a0); b0 = fma(wb, x0, b0); c0 = fma(wc, x0, c0); d0 = fma(wd, x0, d0);
    if (N > 1u) {
      let x1 = vec4f(f32(dy[r1 + k]));
      a1 = fma(wa, x1, a1); b1 = fma(wb, x1, b1); c1 = fma(wc, x1, c1); d1 = fma(wd, x1, d1);
    }
    if (N > 2u) {
      let x2 = vec4f(f32(dy[r2 + k]));
      a2 = fma(wa, x2, a2); b2 = fma(wb, x2, b2); c2 = fma(wc, x2, c2); d2 = fma(wd, x2, d2);
    }
    if (N > 3u) {
      let x3 = vec4f(f32(dy[r3 + k]));
      a3 = fma(wa, x3, a3); b3 = fma(wb, x3, b3); c3 = fma(wc, x3, c3); d3 = fma(wd, x3, d3);
    }
    if (N > 4u) {
      let x4 = vec4f(f32(dy[r4 + k]));
      a4 = fma(wa, x4, a4); b4 = fma(wb, x4, b4); c4 = fma(wc, x4, c4); d4 = fma(wd, x4, d4);
    }
    if (N > 5u) {
      let x5 = vec4f(f32(dy[r5 + k]));
      a5 = fma(wa, x5, a5); b5 = fma(wb, x5, b5); c5 = fma(wc, x5, c5); d5 = fma(wd, x5, d5);
    }
    if (N > 6u) {
      let x6 = vec4f(f32(dy[r6 + k]));
      a6 = fma(wa, x6, a6); b6 = fma(wb, x6, b6); c6 = fma(wc, x6, c6); d6 = fma(wd, x6, d6);
    }
    if (N > 7u) {
      let x7 = vec4f(f32(dy[r7 + k]));
      a7 = fma(wa, x7, a7); b7 = fma(wb, x7, b7); c7 = fma(wc, x7, c7); d7 = fma(wd, x7, d7);
    }
  }

  let sums = array<vec4f, 32>(
    a0, a1, a2, a3, a4, a5, a6, a7,
    b0, b1, b2, b3, b4, b5, b6, b7,
    c0, c1, c2, c3, c4, c5, c6, c7,
    d0, d1, d2, d3, d4, d5, d6, d7,
  );
  for (var i = 0u; i < 32u; i++) {
    let c = first + i / 8u * 4u;
    if (n + i % 8u >= N || c >= C / 4u) { continue; }
    let at = (n + i % 8u) * (C / 4u) + c;
    var v = sums[i];
    if (ACCUMULATE == 1u) { v += vec4f(dx[at]); }
    dx[at] = vec4<elem>(v);
  }
}
