// sumRows, meanRows: the sum of each row, or its mean (MEAN).
//
//   x [N, C]   ->   y [N]
//
// One workgroup a row. GX partial sums, then a tree: the order of summation is fixed.

alias elem = f32;

override C: u32;
override MEAN: u32;  // 0 sum, 1 mean
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var sum = 0.0;
  for (var c = i; c < C; c += GX) { sum += f32(x[row * C + c]); }
  partial[i] = sum;
  workgroupBarrier();

  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] += partial[i + step]; }
    workgroupBarrier();
  }
  if (i == 0u) { y[row] = elem(select(partial[0], partial[0] / f32(C), MEAN == 1u)); }
}
