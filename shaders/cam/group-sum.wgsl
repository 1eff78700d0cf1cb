// groupSum: neighbouring feature maps added up in groups, with an activation.
//
//   x [N, K, H, W], w [N, K]   ->   y [N, B, H, W]
//
//   y[n, g] = act(sum over the maps k of group g of w[n, k] x[n, k]),   w = 1 if it is left out
//
// Groups are of K / B maps, rounded down; the first K % B groups have one more. One invocation a pixel; summed in the order of k.

alias elem = f32;

override N: u32; override K: u32; override B: u32; override H: u32; override W: u32;
override HAS_W: u32;
override ACT: u32;  // 0 none, 1 relu
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let size = H * W;
  if (i >= N * B * size) { return; }
  let n = i / (B * size);
  let group = i / size % B;
  let larger = K % B;
  let first = group * (K / B) + min(group, larger);
  let count = K / B + select(0u, 1u, group < larger);
  var sum = 0.0;
  for (var k = first; k < first + count; k++) {
    var v = f32(x[(n * K + k) * size + i % size]);
    if (HAS_W == 1u) { v *= f32(w[n * K + k]); }
    sum += v;
  }
  if (ACT == 1u && sum < 0.0) { sum = 0.0; }
  y[i] = elem(sum);
}
