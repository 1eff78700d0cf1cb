// softmaxBackward (subgroup): gradient of softmax, or of log-softmax (LOG), from its result.
//
//   dy [N, C], y [N, C]   ->   dx [N, C]
//
//   softmax      dx[c] = y[c] (dy[c] - sum over j of y[j] dy[j])
//   log-softmax  dx[c] = dy[c] - exp(y[c]) sum over j of dy[j]
//
// For GPUs with subgroups: one workgroup a row; a subgroup adds in registers, which leaves two barriers for the sum where a tree of 64
// has eight. Nothing is assumed of the size of subgroups, of which invocations they hold, nor that they are full. The order of summation is the
// device's for a given size of subgroups, and fixed.

enable subgroups;
alias elem = f32;

override C: u32;
override LOG: u32;  // 0 softmax, 1 log-softmax
override GROUPS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> y: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  let start = row * C;

  var sum = 0.0;
  for (var c = i; c < C; c += GX) {
    sum += f32(dy[start + c]) * select(f32(y[start + c]), 1.0, LOG == 1u);
  }
  sum = sumOverGroup(i, sum);

  for (var c = i; c < C; c += GX) {
    let gradient = f32(dy[start + c]);
    let result = f32(y[start + c]);
    dx[start + c] = elem(select(result * (gradient - sum), gradient - exp(result) * sum, LOG == 1u));
  }
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
