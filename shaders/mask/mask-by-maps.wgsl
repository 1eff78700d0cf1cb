// maskByMaps: an image times each of several feature maps, enlarged to its size and stretched to 0..1.
//
//   image [N, C, P, Q], maps [N, K, H, W], range [N, K, 2] (upsampledRange)   ->   y [M, C, P, Q]
//
//   y[m, c, p, q] = image[IMAGE, c, p, q] (up(maps[IMAGE, FIRST + m])[p, q] - least) / (largest - least),   0 for a constant map
//
// One invocation a pixel of a map, all channels.

alias elem = f32;

override C: u32; override K: u32; override H: u32; override W: u32; override P: u32; override Q: u32;
override M: u32;
override IMAGE: u32; override FIRST: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> image: array<elem>;
@group(0) @binding(1) var<storage, read> maps: array<elem>;
@group(0) @binding(2) var<storage, read> range: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

// shared: enlarged
// Pixel (p, q) of the map that begins at `first`, enlarged from H x W to P x Q.
fn enlarged(first: u32, p: u32, q: u32) -> f32 {
  let v = clamp((f32(p) + 0.5) * f32(H) / f32(P) - 0.5, 0.0, f32(H - 1u));
  let u = clamp((f32(q) + 0.5) * f32(W) / f32(Q) - 0.5, 0.0, f32(W - 1u));
  let top = u32(v);
  let left = u32(u);
  let bottom = min(top + 1u, H - 1u);
  let right = min(left + 1u, W - 1u);
  let above = mix(f32(x_at(first + top * W + left)), f32(x_at(first + top * W + right)), u - f32(left));
  let below = mix(f32(x_at(first + bottom * W + left)), f32(x_at(first + bottom * W + right)), u - f32(left));
  return mix(above, below, v - f32(top));
}
// end

fn x_at(i: u32) -> elem { return maps[i]; }

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let area = P * Q;
  if (i >= M * area) { return; }
  let map = IMAGE * K + FIRST + i / area;
  let pixel = i % area;
  let least = f32(range[2u * map]);
  let span = f32(range[2u * map + 1u]) - least;
  var mask = 0.0;
  if (span > 0.0) { mask = (enlarged(map * H * W, pixel / Q, pixel % Q) - least) / span; }
  for (var c = 0u; c < C; c++) {
    y[(i / area * C + c) * area + pixel] = elem(mask * f32(image[(IMAGE * C + c) * area + pixel]));
  }
}
