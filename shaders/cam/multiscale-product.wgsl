// multiscaleProduct: activations and gradients of several scales, enlarged, averaged, multiplied and summed over the feature maps.
//
//   a [E], g [E], scales [T, 3] (u32: offset, height, width), shares [T, N]   ->   y [N, P, Q]
//
//   y[n, p, q] = sum over k of (sum over t of shares[t, n] up(a_t)[n, k, p, q]) (sum over t of shares[t, n] up(g_t)[n, k, p, q])
//
// a_t [N, K, height, width] begins at its offset. up is bilinear, corners not aligned. A scale whose share is 0 is not read.
// One invocation a pixel, four feature maps at a time, so that a scale's place and weights are found once for four; the products
// of four are added to the sum together, in the order of k.

alias elem = f32;

override N: u32; override K: u32; override P: u32; override Q: u32; override T: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> g: array<elem>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read> shares: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

const ALIGN = 0u;

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
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * P * Q) { return; }
  let n = i / (P * Q);
  var sum = 0.0;
  for (var k = 0u; k < K; k += 4u) {
    var activation = vec4f();
    var gradient = vec4f();
    for (var t = 0u; t < T; t++) {
      let share = f32(shares[t * N + n]);
      if (share == 0.0) { continue; }
      let height = scales[3u * t + 1u];
      let width = scales[3u * t + 2u];
      let row = tap(i / Q % P, height, P);
      let column = tap(i % Q, width, Q);
      let weight = share * vec4f(
        (1.0 - row.t) * (1.0 - column.t), (1.0 - row.t) * column.t, row.t * (1.0 - column.t), row.t * column.t);
      let corner = vec4u(row.low, row.low, row.high, row.high) * width + vec4u(column.low, column.high, column.low, column.high);
      for (var j = 0u; j < min(4u, K - k); j++) {
        let at = corner + scales[3u * t] + (n * K + k + j) * height * width;
        activation[j] += dot(weight, vec4f(f32(a[at.x]), f32(a[at.y]), f32(a[at.z]), f32(a[at.w])));
        gradient[j] += dot(weight, vec4f(f32(g[at.x]), f32(g[at.y]), f32(g[at.z]), f32(g[at.w])));
      }
    }
    sum += dot(activation, gradient);
  }
  y[i] = elem(sum);
}
