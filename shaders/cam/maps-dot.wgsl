// mapsDot: each feature map's inner product with one pixel weighting.
//
//   x [N, K, S], v [N, S]   ->   w [N, K]
//
// One workgroup per (n, k): GX partial sums, then a tree.

alias elem = f32;

override K: u32; override S: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> v: array<elem>;
@group(0) @binding(2) var<storage, read_write> w: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let map = wid.y * nwg.x + wid.x;
  if (map >= GROUPS) { return; }
  var sum = 0.0;
  for (var j = i; j < S; j += GX) { sum += f32(x[map * S + j]) * f32(v[map / K * S + j]); }
  let total = sumOverGroup(i, sum);
  if (i == 0u) { w[map] = elem(total); }
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
