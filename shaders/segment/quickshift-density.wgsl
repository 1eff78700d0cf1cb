// quickshiftDensity: how close the pixels around each pixel are to it, in colour and place.
//
//   lab [N, 3, H, W]   ->   y [N, H, W]
//
//   y[n, p] = sum over pixels q within RADIUS rows and columns of p of exp(-d(p, q) / (2 KERNEL^2))
//   d(p, q) = RATIO^2 |lab[n, :, p] - lab[n, :, q]|^2 + |p - q|^2
//
// One invocation a pixel, which goes row by row: the order of summation is fixed.

alias elem = f32;

override N: u32; override H: u32; override W: u32;
override RADIUS: u32;
override RATIO: f32;
override KERNEL: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> lab: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * H * W) { return; }
  let n = i / (H * W);
  let place = vec2u(i / W % H, i % W);
  let colour = colourAt(n, place);
  let width = -0.5 / (KERNEL * KERNEL);
  var sum = 0.0;
  for (var r = max(place.x, RADIUS) - RADIUS; r < min(place.x + RADIUS + 1u, H); r++) {
    for (var c = max(place.y, RADIUS) - RADIUS; c < min(place.y + RADIUS + 1u, W); c++) {
      sum += exp(distanceOf(colour, place, colourAt(n, vec2u(r, c)), vec2u(r, c)) * width);
    }
  }
  y[i] = sum;
}

// shared: quickshiftDistance
fn colourAt(n: u32, place: vec2u) -> vec3f {
  let k = (n * 3u * H + place.x) * W + place.y;
  return vec3f(f32(lab[k]), f32(lab[k + H * W]), f32(lab[k + 2u * H * W]));
}

// The squared distance of two pixels in colour (RATIO) and place.
fn distanceOf(colour: vec3f, place: vec2u, other: vec3f, there: vec2u) -> f32 {
  let away = RATIO * (colour - other);
  let aside = vec2f(place) - vec2f(there);
  return dot(away, away) + dot(aside, aside);
}
// end
