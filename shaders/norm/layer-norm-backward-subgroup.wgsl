// layerNormBackward (subgroup): gradient of layerNorm with respect to its input.
//
//   dy x [M, D], w [D]   ->   dx [M, D]
//
//   h[d] = (x[m, d] - mean[m]) r,   r = 1 / sqrt(variance[m] + EPS),   g[d] = dy[m, d] w[d]
//   dx[m, d] = r (g[d] - mean over j of g[j] - h[d] mean over j of g[j] h[j])
//
// For GPUs with subgroups: one workgroup a row; a subgroup adds in registers, which leaves two barriers a sum where a tree of 64
// has eight. Nothing is assumed of the size of subgroups, of which invocations they hold, nor that they are full. The order of summation is the
// device's for a given size of subgroups, and fixed.
// The moments are taken as forward does.

enable subgroups;
alias elem = f32;

override D: u32;
override EPS: f32;
override GROUPS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> x: array<elem>;
@group(0) @binding(2) var<storage, read> w: array<elem>;
@group(0) @binding(3) var<storage, read_write> dx: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  let start = row * D;
  let moments = rowMoments(i, start);
  var sums = vec2f();
  for (var d = i; d < D; d += GX) {
    let g = f32(dy[start + d]) * f32(w[d]);
    let h = ((f32(x[start + d]) - moments.x) - moments.y) * moments.z;
    sums += vec2f(g, g * h);
  }
  let mean = sumOverGroup(i, sums.x) / f32(D);
  let along = sumOverGroup(i, sums.y) / f32(D);
  for (var d = i; d < D; d += GX) {
    let g = f32(dy[start + d]) * f32(w[d]);
    let h = ((f32(x[start + d]) - moments.x) - moments.y) * moments.z;
    dx[start + d] = elem((g - mean - h * along) * moments.z);
  }
}

// shared: rowMoments
/// Of the row that begins at `start`: the mean in two parts, and 1 / sqrt(variance + EPS).
fn rowMoments(i: u32, start: u32) -> vec3f {
  var sum = 0.0;
  for (var d = i; d < D; d += GX) { sum += f32(x[start + d]); }
  let mean = sumOverGroup(i, sum) / f32(D);
  sum = 0.0;
  for (var d = i; d < D; d += GX) { sum += f32(x[start + d]) - mean; }
  let rest = sumOverGroup(i, sum) / f32(D);
  sum = 0.0;
  for (var d = i; d < D; d += GX) {
    let v = (f32(x[start + d]) - mean) - rest;
    sum += v * v;
  }
  return vec3f(mean, rest, 1.0 / sqrt(sumOverGroup(i, sum) / f32(D) + EPS));
}
// end

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
