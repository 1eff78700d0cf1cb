// softmax (subgroup): each row as probabilities, or their logarithms (LOG).
//
//   x [N, C]   ->   y [N, C]
//
//   p[c] = exp(x[c] - m) / sum over j of exp(x[j] - m),   m = the row's maximum
//   log p[c] = x[c] - m - log(sum over j of exp(x[j] - m))
//
// For GPUs with subgroups: one workgroup a row; a subgroup adds in registers, which leaves three barriers for maximum and sum where trees
// of 64 have sixteen. Nothing is assumed of the size of subgroups, of which invocations they hold, nor that they are full. The order of summation is the
// device's for a given size of subgroups, and fixed.

enable subgroups;
alias elem = f32;

override C: u32;
override LOG: u32;  // 0 probabilities, 1 their logarithms
override GROUPS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  let start = row * C;

  var most = f32(x[start]);
  for (var c = i; c < C; c += GX) { most = max(most, f32(x[start + c])); }
  most = mostOverGroup(i, most);

  var sum = 0.0;
  for (var c = i; c < C; c += GX) { sum += exp(f32(x[start + c]) - most); }
  sum = sumOverGroup(i, sum);

  for (var c = i; c < C; c += GX) {
    let v = f32(x[start + c]) - most;
    y[start + c] = elem(select(exp(v) / sum, v - log(sum), LOG == 1u));
  }
}

/// The largest value of the workgroup.
fn mostOverGroup(i: u32, value: f32) -> f32 {
  partial[i] = subgroupMax(value);
  workgroupBarrier();
  var most = value;
  let count = subgroupAdd(1u);
  for (var j = subgroupExclusiveAdd(1u); j < GX; j += count) { most = max(most, partial[j]); }
  return subgroupMax(most);
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
