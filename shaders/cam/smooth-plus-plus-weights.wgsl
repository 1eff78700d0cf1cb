// smoothPlusPlusWeights: Grad-CAM++ weights from moments of noisy gradients.
//
//   x [N, K, H, W], m [3, N, K, H, W]   ->   w [N, K]
//
//   w = sum over i of alpha_i relu(D1_i),   alpha = D / (2 D2 + D3 sum x),   D = D2, or D1 if LITERAL
//
// alpha is 0 where its denominator is 0. One workgroup per (n, k): GX partial sums, then a tree.

alias elem = f32;

override N: u32; override K: u32; override H: u32; override W: u32;
override LITERAL: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> m: array<elem>;
@group(0) @binding(2) var<storage, read_write> w: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let map = wid.y * nwg.x + wid.x;
  if (map >= GROUPS) { return; }
  let size = H * W;
  let all = N * K * size;
  let first = map * size;

  var sum = 0.0;
  for (var j = i; j < size; j += GX) { sum += f32(x[first + j]); }
  let total = sumOverGroup(i, sum);

  var weight = 0.0;
  for (var j = i; j < size; j += GX) {
    let d1 = f32(m[first + j]);
    let d2 = f32(m[all + first + j]);
    let d3 = f32(m[2u * all + first + j]);
    let denominator = 2.0 * d2 + d3 * total;
    if (d1 <= 0.0 || denominator == 0.0) { continue; }
    var numerator = d2;
    if (LITERAL == 1u) { numerator = d1; }
    weight += numerator / denominator * d1;
  }
  let result = sumOverGroup(i, weight);
  if (i == 0u) { w[map] = elem(result); }
}

// shared: sumOverGroup
fn sumOverGroup(i: u32, value: f32) -> f32 {
  workgroupBarrier();
  partial[i] = value;
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] += partial[i + step]; }
    workgroupBarrier();
  }
  return partial[0];
}
// end
