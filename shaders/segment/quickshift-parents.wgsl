// quickshiftParents: the nearest pixel that lies denser.
//
//   lab [N, 3, H, W], density [N, H, W]   ->   y [N, H, W] = index of the parent among the H W pixels of its image
//
// Of the pixels within RADIUS rows and columns that are denser (or as dense and of lower index), the nearest by d of quickshiftDensity, of
// equally near ones that of the lowest index. A pixel without one, or whose nearest is farther than REACH = maxDist^2, is its own: a root.
// One invocation a pixel.

alias elem = f32;

override N: u32; override H: u32; override W: u32;
override RADIUS: u32;
override RATIO: f32;
override REACH: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> lab: array<elem>;
@group(0) @binding(1) var<storage, read> density: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

const LARGEST = 0x1.fffffep+127f;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * H * W) { return; }
  let n = i / (H * W);
  let place = vec2u(i / W % H, i % W);
  let colour = colourAt(n, place);
  let own = density[i];
  var parent = i % (H * W);
  var least = LARGEST;
  for (var r = max(place.x, RADIUS) - RADIUS; r < min(place.x + RADIUS + 1u, H); r++) {
    for (var c = max(place.y, RADIUS) - RADIUS; c < min(place.y + RADIUS + 1u, W); c++) {
      let q = r * W + c;
      let there = density[n * H * W + q];
      if (there > own || (there == own && q < i % (H * W))) {
        let distance = distanceOf(colour, place, colourAt(n, vec2u(r, c)), vec2u(r, c));
        if (distance < least) {
          least = distance;
          if (distance <= REACH) { parent = q; }
        }
      }
    }
  }
  y[i] = parent;
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
