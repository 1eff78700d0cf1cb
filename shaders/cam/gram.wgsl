// gram: inner products of feature maps, or of the pixels' feature vectors.
//
//   x [N, K, S]   ->   y [N, M, M]
//
//   BY_PIXEL 0: M = K, y[a, b] = sum over s of x[a, s] x[b, s]
//   BY_PIXEL 1: M = S, y[a, b] = sum over k of x[k, a] x[k, b]
//
// One invocation an element.

alias elem = f32;

override N: u32; override K: u32; override S: u32; override M: u32;
override BY_PIXEL: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * M * M) { return; }
  let b = i % M;
  let a = i / M % M;
  let image = i / (M * M) * K * S;
  var sum = 0.0;
  if (BY_PIXEL == 1u) {
    for (var k = 0u; k < K; k++) { sum += f32(x[image + k * S + a]) * f32(x[image + k * S + b]); }
  } else {
    for (var s = 0u; s < S; s++) { sum += f32(x[image + a * S + s]) * f32(x[image + b * S + s]); }
  }
  y[i] = elem(sum);
}
