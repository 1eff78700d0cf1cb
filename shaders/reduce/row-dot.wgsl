// rowDot: dot product of the rows of two matrices.
//
//   a [N, C], b [N, C]   ->   y [N]
//
// One workgroup a row: GX partial sums, then a tree.

alias elem = f32;

override C: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> b: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var sum = 0.0;
  for (var j = i; j < C; j += GX) { sum += f32(a[row * C + j]) * f32(b[row * C + j]); }
  let total = sumOverGroup(i, sum);
  if (i == 0u) { y[row] = elem(total); }
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
