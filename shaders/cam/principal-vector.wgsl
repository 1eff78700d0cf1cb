// principalVector: first eigenvector of a symmetric positive matrix, of length 1, by power iteration.
//
//   x [N, M, M]   ->   v [N, M]
//
// One workgroup a matrix. It starts from the column of the largest diagonal element, which has a part along the
// first eigenvector. A zero matrix gives zeros.

alias elem = f32;

override M: u32;
override ROUNDS: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> v: array<elem>;

var<workgroup> vector: array<f32, M>;
var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let n = wid.y * nwg.x + wid.x;
  if (n >= GROUPS) { return; }
  let matrix = n * M * M;

  var start = 0u;
  for (var j = 1u; j < M; j++) {
    if (f32(x[matrix + j * M + j]) > f32(x[matrix + start * M + start])) { start = j; }
  }
  for (var j = i; j < M; j += GX) { vector[j] = f32(x[matrix + start * M + j]); }
  workgroupBarrier();
  scaleToUnit(i);

  for (var round = 0u; round < ROUNDS; round++) {
    // The new elements wait in v, which each invocation reads back only where it wrote itself.
    for (var j = i; j < M; j += GX) {
      var sum = 0.0;
      for (var k = 0u; k < M; k++) { sum += f32(x[matrix + k * M + j]) * vector[k]; }
      v[n * M + j] = elem(sum);
    }
    workgroupBarrier();
    for (var j = i; j < M; j += GX) { vector[j] = f32(v[n * M + j]); }
    workgroupBarrier();
    scaleToUnit(i);
  }
  for (var j = i; j < M; j += GX) { v[n * M + j] = elem(vector[j]); }
}

fn scaleToUnit(i: u32) {
  var square = 0.0;
  for (var j = i; j < M; j += GX) { square += vector[j] * vector[j]; }
  let total = sumOverGroup(i, square);
  var scale = 0.0;
  if (total > 0.0) { scale = 1.0 / sqrt(total); }
  for (var j = i; j < M; j += GX) { vector[j] *= scale; }
  workgroupBarrier();
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
