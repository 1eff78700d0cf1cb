// unitRows: each row scaled to length 1; a row of zeros stays.
//
//   x [N, C]   ->   y [N, C]
//
// One workgroup a row: GX partial sums, then a tree.

alias elem = f32;

override C: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var square = 0.0;
  for (var j = i; j < C; j += GX) { square += f32(x[row * C + j]) * f32(x[row * C + j]); }
  let total = sumOverGroup(i, square);
  var scale = 0.0;
  if (total > 0.0) { scale = 1.0 / sqrt(total); }
  for (var j = i; j < C; j += GX) { y[row * C + j] = elem(f32(x[row * C + j]) * scale); }
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
