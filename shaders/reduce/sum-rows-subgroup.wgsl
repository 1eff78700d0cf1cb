// sumRows, meanRows (subgroup): the sum of each row, or its mean (MEAN).
//
//   x [N, C]   ->   y [N]
//
// For GPUs with subgroups: one workgroup a row; a subgroup adds in registers, which leaves two barriers for the sum where a tree of 64
// has eight. Nothing is assumed of the size of subgroups, of which invocations they hold, nor that they are full. The order of summation is the
// device's for a given size of subgroups, and fixed.

enable subgroups;
alias elem = f32;

override C: u32;
override MEAN: u32;  // 0 sum, 1 mean
override GROUPS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var sum = 0.0;
  for (var c = i; c < C; c += GX) { sum += f32(x[row * C + c]); }
  sum = sumOverGroup(i, sum);
  if (i == 0u) { y[row] = elem(select(sum, sum / f32(C), MEAN == 1u)); }
}

// shared: sumBySubgroups
/// The sum over the workgroup: each subgroup's lies at the least of its invocations, zeros at the others, and every subgroup adds them all.
fn sumOverGroup(i: u32, value: f32) -> f32 {
  workgroupBarrier();  // also brings together who left a loop at different turns
  let own = subgroupAdd(value);
  partial[i] = select(0.0, own, subgroupMin(i) == i);
  workgroupBarrier();
  var sum = 0.0;
  let count = subgroupAdd(1u);
  for (var j = subgroupExclusiveAdd(1u); j < GX; j += count) { sum += partial[j]; }
  return subgroupAdd(sum);
}
// end
