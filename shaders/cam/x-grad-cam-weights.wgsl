// xGradCamWeights: the gradient's mean over a map, each place weighted by its activation.
//
//   x [N, K, H, W], g [N, K, H, W]   ->   w [N, K]
//
//   w = sum over i of g_i x_i / sum over i of x_i,   0 where that sum is 0
//
// One workgroup per (n, k): GX partial sums, then a tree.

alias elem = f32;

override H: u32; override W: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> g: array<elem>;
@group(0) @binding(2) var<storage, read_write> w: array<elem>;

var<workgroup> partial: array<vec2f, GX>;  // sum of g x, sum of x

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let map = wid.y * nwg.x + wid.x;
  if (map >= GROUPS) { return; }
  let size = H * W;
  var sums = vec2f(0.0);
  for (var j = i; j < size; j += GX) {
    let a = f32(x[map * size + j]);
    sums += vec2f(f32(g[map * size + j]) * a, a);
  }
  partial[i] = sums;
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] += partial[i + step]; }
    workgroupBarrier();
  }
  if (i == 0u) {
    if (partial[0].y != 0.0) { w[map] = elem(partial[0].x / partial[0].y); } else { w[map] = elem(0.0); }
  }
}
