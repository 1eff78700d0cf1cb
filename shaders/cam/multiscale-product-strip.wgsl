// multiscaleProduct (strip): activations and gradients of several scales, enlarged, averaged, multiplied and summed.
//
//   a [E], g [E], scales [T, 3] (u32: offset, height, width), shares [T, N]   ->   y [N, P, Q]
//
//   y[n, p, q] = sum over k of (sum over t of shares[t, n] up(a_t)[n, k, p, q]) (sum over t of shares[t, n] up(g_t)[n, k, p, q])
//
// For CPUs, where loads are dear: an invocation makes four neighbours of a row, which look at the same few columns of a scale that is
// smaller than the result. A column is interpolated between its two rows once for the four, two feature maps at a time. A scale whose
// share is 0 is not read.

alias elem = f32;

override N: u32; override K: u32; override P: u32; override Q: u32; override T: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> g: array<elem>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read> shares: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

const ALIGN = 0u;
const MOST = 16u;  // scales

// shared: tap
// What output i of `count` looks at among `size` elements: `low`, `high` and the weight t of `high`.
struct Tap { low: u32, high: u32, t: f32 }

fn tap(i: u32, size: u32, count: u32) -> Tap {
  var above = i * (size - 1u);
  var below = max(count - 1u, 1u);
  if (ALIGN == 0u) {
    above = (2u * i + 1u) * size;
    above = max(above, count) - count;
    below = 2u * count;
  }
  let low = above / below;
  return Tap(low, min(low + 1u, size - 1u), f32(above % below) / f32(below));
}
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let strips = (Q + 3u) / 4u;
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * P * strips) { return; }
  let n = i / (P * strips);
  let p = i / strips % P;
  let q = i % strips * 4u;

  // Where the strip lies in each scale, found once for all feature maps.
  var rows: array<Tap, MOST>;
  var lows: array<vec4u, MOST>;
  var ts: array<vec4f, MOST>;
  for (var t = 0u; t < T; t++) {
    rows[t] = tap(p, scales[3u * t + 1u], P);
    for (var j = 0u; j < 4u; j++) {
      let column = tap(min(q + j, Q - 1u), scales[3u * t + 2u], Q);
      lows[t][j] = column.low;
      ts[t][j] = column.t;
    }
  }

  var sum = vec4f();
  for (var k = 0u; k < K; k += 2u) {
    let isPair = k + 1u < K;
    var a0 = vec4f(); var a1 = vec4f();
    var g0 = vec4f(); var g1 = vec4f();
    for (var t = 0u; t < T; t++) {
      let share = f32(shares[t * N + n]);
      if (share == 0.0) { continue; }
      let height = scales[3u * t + 1u];
      let width = scales[3u * t + 2u];
      let row = rows[t];
      let low = lows[t];
      let high = min(low + 1u, vec4u(width - 1u));
      let right = ts[t];
      let above = share * (1.0 - row.t);
      let below = share * row.t;
      let first = scales[3u * t] + (n * K + k) * height * width;
      let next = select(0u, height * width, isPair);
      for (var c = low.x; c <= high.w; c++) {
        let weight = select(vec4f(), 1.0 - right, low == vec4u(c)) + select(vec4f(), right, high == vec4u(c));
        let top = first + row.low * width + c;
        let bottom = first + row.high * width + c;
        a0 += (above * f32(a[top]) + below * f32(a[bottom])) * weight;
        g0 += (above * f32(g[top]) + below * f32(g[bottom])) * weight;
        a1 += (above * f32(a[top + next]) + below * f32(a[bottom + next])) * weight;
        g1 += (above * f32(g[top + next]) + below * f32(g[bottom + next])) * weight;
      }
    }
    sum += a0 * g0;
    if (isPair) { sum += a1 * g1; }
  }
  for (var j = 0u; j < min(4u, Q - q); j++) { y[(n * P + p) * Q + q + j] = elem(sum[j]); }
}
