// spatialMean: mean of each feature map.
//
//   x [N, K, H, W]   ->   y [N, K]
//
// One workgroup per (n, k). GX partial sums, then a tree: the order of summation is fixed.

alias elem = f32;

override H: u32; override W: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let map = wid.y * nwg.x + wid.x;
  if (map >= GROUPS) { return; }
  let size = H * W;
  var sum = 0.0;
  for (var j = i; j < size; j += GX) { sum += f32(x[map * size + j]); }
  let total = sumOverGroup(i, sum);
  if (i == 0u) { y[map] = elem(total / f32(size)); }
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
