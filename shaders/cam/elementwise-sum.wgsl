// elementwiseSum: gradients times activations, summed over the maps.
//
//   x [N, K, H, W], g [N, K, H, W]   ->   y [N, H, W]
//
//   y[n, i] = sum over k of f(g[n, k, i]) x[n, k, i],   f = relu if RELU else identity
//
// One invocation a pixel; neighbours read neighbouring pixels. Summed in the order of k.

alias elem = f32;

override N: u32; override K: u32; override H: u32; override W: u32;
override RELU: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> g: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let size = H * W;
  if (i >= N * size) { return; }
  let first = i / size * K * size + i % size;
  var sum = 0.0;
  for (var k = 0u; k < K; k++) {
    var slope = f32(g[first + k * size]);
    if (RELU == 1u && slope < 0.0) { slope = 0.0; }
    sum += slope * f32(x[first + k * size]);
  }
  y[i] = elem(sum);
}
