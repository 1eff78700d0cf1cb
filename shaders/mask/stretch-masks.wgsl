// stretchMasks: feature maps stretched so that, once enlarged, they run from 0 to 1.
//
//   x [N, K, H, W], range [N, K, 2] (upsampledRange), order [N, K]   ->   y [N, K, H, W]
//
//   y[n, j, i] = (x[n, k, i] - least) / (largest - least),   0 for a map that is constant once enlarged;   k = order[n, j], or j without
//
// Enlarging is linear, so stretching first gives the same masks. One invocation an element.

alias elem = f32;

override N: u32; override K: u32; override H: u32; override W: u32;
override HAS_ORDER: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> range: array<elem>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * K * H * W) { return; }
  var map = i / (H * W);
  if (HAS_ORDER == 1u) { map = map / K * K + order[map]; }
  let least = f32(range[2u * map]);
  let span = f32(range[2u * map + 1u]) - least;
  var v = 0.0;
  if (span > 0.0) { v = (f32(x[map * (H * W) + i % (H * W)]) - least) / span; }
  y[i] = elem(v);
}
