// sampleAffineMaps: windows of maps of numbers, resampled with antialiasing.
//
//   x [B, C, H, W], m [N, 12] (mat3, three columns of 4)   ->   y [N, C, P, Q]
//
//   (u, v) = m[n] (q + 1/2, p + 1/2, 1)
//   y[n, c, p, q] = sum over i, j of wv[i] wu[j] x[n B / N, c, i, j]
//
// Weights as in sampleAffine. Windows come image by image: the first N / B are of the first image. 0 where (u, v) lies outside.
// With CLIP a window's filters end at its border, as if it had been cut out first; m must then map axes to axes.
// One invocation an output element.

alias elem = f32;

override B: u32; override C: u32; override H: u32; override W: u32;
override N: u32; override P: u32; override Q: u32;
override CUBIC: u32;  // 0 bilinear, 1 bicubic
override CLIP: u32;   // 1: a window sees its own pixels only
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> m: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

// shared: filterAt
// The resampling filter at t: the triangle, or Keys' cubic with a = -1/2 (CUBIC).
fn filterAt(t: f32) -> f32 {
  let u = abs(t);
  if (CUBIC == 0u) { return max(1.0 - u, 0.0); }
  if (u < 1.0) { return (1.5 * u - 2.5) * u * u + 1.0; }
  if (u < 2.0) { return ((-0.5 * u + 2.5) * u - 4.0) * u + 2.0; }
  return 0.0;
}

// What one axis takes of low .. high: source pixels first .. end around `centre`, their filter stretched by `stretch`, divided by `sum`.
struct Taps { first: u32, end: u32, centre: f32, stretch: f32, sum: f32 }

fn tapsAt(centre: f32, scale: f32, low: u32, high: u32) -> Taps {
  let stretch = max(scale, 1.0);
  let reach = stretch * select(1.0, 2.0, CUBIC == 1u);
  let first = u32(max(centre - reach + 0.5, f32(low)));
  let end = min(u32(max(centre + reach + 0.5, 0.0)), high);
  var sum = 0.0;
  for (var i = first; i < end; i++) { sum += filterAt((f32(i) + 0.5 - centre) / stretch); }
  return Taps(first, end, centre, stretch, sum);
}

fn weightOf(taps: Taps, i: u32) -> f32 { return filterAt((f32(i) + 0.5 - taps.centre) / taps.stretch) / taps.sum; }
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * P * Q) { return; }
  let c = i / (P * Q) % C;
  let n = i / (P * Q * C);
  let at = vec2f(f32(i % Q), f32(i / Q % P)) + 0.5;
  let k = n * 12u;
  let u = m[k] * at.x + m[k + 4u] * at.y + m[k + 8u];
  let v = m[k + 1u] * at.x + m[k + 5u] * at.y + m[k + 9u];

  var span = vec4u(0u, 0u, W, H);
  if (CLIP == 1u) {
    let a = vec2f(m[k + 8u], m[k + 9u]);
    let b = a + vec2f(m[k] * f32(Q), m[k + 5u] * f32(P));
    span = vec4u(vec4f(round(max(min(a, b), vec2f())), min(round(max(a, b)), vec2f(f32(W), f32(H)))));
  }
  var sum = 0.0;
  if (u >= 0.0 && u < f32(W) && v >= 0.0 && v < f32(H)) {
    let columns = tapsAt(u, abs(m[k]) + abs(m[k + 4u]), span.x, span.z);
    let rows = tapsAt(v, abs(m[k + 1u]) + abs(m[k + 5u]), span.y, span.w);
    let map = (n / (N / B) * C + c) * H * W;
    for (var h = rows.first; h < rows.end; h++) {
      var row = 0.0;
      for (var w = columns.first; w < columns.end; w++) { row += weightOf(columns, w) * f32(x[map + h * W + w]); }
      sum += weightOf(rows, h) * row;
    }
  }
  y[i] = elem(sum);
}
