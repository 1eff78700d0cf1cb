// runningMoments: takes one more gradient into the mean and the population variance of those before it.
//
//   g [N, K, H, W], share [1]   ->   m [2, N, K, H, W]: mean and variance, which the shader updates
//
//   d = g - mean;   mean += share d;   variance = (1 - share) (variance + share d^2)
//
// With share = 1 / n for the n-th gradient. Not the mean of squares less the square of the mean, whose difference cancels: equal gradients
// have a variance of exactly 0. A share of 1 begins.
//
// One invocation an element.

alias elem = f32;

override SIZE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> g: array<elem>;
@group(0) @binding(1) var<storage, read> share: array<elem>;
@group(0) @binding(2) var<storage, read_write> m: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let s = f32(share[0]);
  let value = f32(g[i]);
  if (s >= 1.0) {
    m[i] = elem(value);
    m[SIZE + i] = elem(0.0);
    return;
  }
  let d = value - f32(m[i]);
  m[i] = elem(f32(m[i]) + s * d);
  m[SIZE + i] = elem((1.0 - s) * (f32(m[SIZE + i]) + s * d * d));
}
