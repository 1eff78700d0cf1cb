// weightedSum: feature maps summed with one weight a map.
//
//   x [N, K, H, W], w [N, K]   ->   y [N, H, W]
//
//   y[n, i] = sum over k of w[n, k] x[n, k, i]
//
// One invocation a pixel; neighbours read neighbouring pixels. Summed in the order of k.

alias elem = f32;

override N: u32; override K: u32; override H: u32; override W: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let size = H * W;
  if (i >= N * size) { return; }
  let n = i / size;
  let pixel = i % size;
  var sum = 0.0;
  for (var k = 0u; k < K; k++) { sum += f32(w[n * K + k]) * f32(x[(n * K + k) * size + pixel]); }
  y[i] = elem(sum);
}
