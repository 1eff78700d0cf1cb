// sampleAffine: windows of a photo, resampled with antialiasing and normalised: a network's input.
//
//   photo [H, W] RGBA8, m [N, 12] (mat3, three columns of 4)   ->   y [NT, 3, P, Q], images N0 .. N0 + N
//
//   (u, v) = m[n] (q + 1/2, p + 1/2, 1)                                    source position of the output pixel's centre
//   y[n, c, p, q] = (round(sum over i of wv[i] round(sum over j of wu[j] photo[i, j, c])) / 255 - mean[c]) / std[c]
//
// wu[j] is the filter at (j + 1/2 - u) / max(scale, 1), scaled to add up to 1 over the pixels inside the photo; scale is how many
// source pixels an output pixel spans. The roundings are Pillow's (ROUND8): columns first, 8 bits after each axis. Where (u, v) lies
// outside the photo the pixel is black, as torchvision pads. One invocation an output pixel, three channels.

alias elem = f32;

override N: u32; override H: u32; override W: u32; override P: u32; override Q: u32;
override N0: u32;
override CUBIC: u32;   // 0 bilinear, 1 bicubic
override ROUND8: u32;  // 1: to 8 bits after each axis
override MEAN_R: f32; override MEAN_G: f32; override MEAN_B: f32;
override STD_R: f32; override STD_G: f32; override STD_B: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> photo: array<u32>;
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

fn pixel(at: u32) -> vec3f {
  let v = photo[at];
  return vec3f(vec3u(v & 0xffu, (v >> 8u) & 0xffu, (v >> 16u) & 0xffu));
}

fn to8Bits(v: vec3f) -> vec3f {
  if (ROUND8 == 0u) { return v; }
  return clamp(floor(v + 0.5), vec3f(0.0), vec3f(255.0));
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let area = P * Q;
  if (i >= N * area) { return; }
  let n = i / area;
  let at = vec2f(f32(i % Q), f32(i / Q % P)) + 0.5;
  let k = n * 12u;
  let u = m[k] * at.x + m[k + 4u] * at.y + m[k + 8u];
  let v = m[k + 1u] * at.x + m[k + 5u] * at.y + m[k + 9u];

  var colour = vec3f();
  if (u >= 0.0 && u < f32(W) && v >= 0.0 && v < f32(H)) {
    let columns = tapsAt(u, abs(m[k]) + abs(m[k + 4u]), 0u, W);
    let rows = tapsAt(v, abs(m[k + 1u]) + abs(m[k + 5u]), 0u, H);
    for (var h = rows.first; h < rows.end; h++) {
      var row = vec3f();
      for (var w = columns.first; w < columns.end; w++) { row += weightOf(columns, w) * pixel(h * W + w); }
      colour += weightOf(rows, h) * to8Bits(row);
    }
  }
  let result = (to8Bits(colour) / 255.0 - vec3f(MEAN_R, MEAN_G, MEAN_B)) / vec3f(STD_R, STD_G, STD_B);
  let o = (N0 + n) * 3u * area + i % area;
  y[o] = elem(result.r);
  y[o + area] = elem(result.g);
  y[o + 2u * area] = elem(result.b);
}
