// selectedScores: each row's product with one row of another matrix: the chosen class's score of many masked copies.
//
//   y [M, C], choice [N, C], at [5] = image, first, ...   ->   score [N, KT], elements first .. first + M of row image
//
//   score[image, first + m] = sum over c of y[m, c] choice[image, c]
//
// One workgroup a row of y: GX partial sums, then a tree.

alias elem = f32;

override C: u32; override KT: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> y: array<elem>;
@group(0) @binding(1) var<storage, read> choice: array<elem>;
@group(0) @binding(2) var<storage, read> at: array<u32>;
@group(0) @binding(3) var<storage, read_write> score: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var sum = 0.0;
  for (var j = i; j < C; j += GX) { sum += f32(y[row * C + j]) * f32(choice[at[0] * C + j]); }
  let total = sumOverGroup(i, sum);
  if (i == 0u) { score[at[0] * KT + at[1] + row] = elem(total); }
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
