// gradCamPlusPlusWeights: one weight a map from its activations and gradients.
//
//   x [N, K, H, W], g [N, K, H, W]   ->   w [N, K]
//
//   w = sum over i of alpha_i relu(g_i),   alpha = g^2 / (2 g^2 + D)
//
//   FORM 0 (the paper)         D = g^3 sum x; computed as 1 / (2 + g sum x), which has no g^3 to underflow
//   FORM 1 (pytorch-grad-cam)  D = g^3 sum x + 1e-6
//   FORM 2 (torch-cam)         D = sum of x g^3
//
// alpha is 0 where its denominator is 0. One workgroup per (n, k): GX partial sums, then a tree.

alias elem = f32;

override H: u32; override W: u32;
override FORM: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

const STABILISER = 1e-6;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> g: array<elem>;
@group(0) @binding(2) var<storage, read_write> w: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let map = wid.y * nwg.x + wid.x;
  if (map >= GROUPS) { return; }
  let size = H * W;
  let first = map * size;

  var sum = 0.0;
  for (var j = i; j < size; j += GX) {
    let a = f32(x[first + j]);
    let slope = f32(g[first + j]);
    if (FORM == 2u) { sum += a * slope * slope * slope; } else { sum += a; }
  }
  let total = sumOverGroup(i, sum);

  var weight = 0.0;
  for (var j = i; j < size; j += GX) {
    let slope = f32(g[first + j]);
    if (slope <= 0.0) { continue; }
    if (FORM == 0u) {
      let denominator = 2.0 + slope * total;
      if (denominator != 0.0) { weight += slope / denominator; }
    } else {
      let square = slope * slope;
      var denominator = 2.0 * square + total;
      if (FORM == 1u) { denominator = 2.0 * square + total * square * slope + STABILISER; }
      if (denominator != 0.0) { weight += square / denominator * slope; }
    }
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
