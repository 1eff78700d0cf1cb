// scanRows: sums of whole numbers before each element of a row.
//
//   x [N, C]   ->   y [N, C]
//
//   y[n, c] = sum over j < c of x[n, j]
//
// One workgroup a row: each of GX lanes sums a run of neighbours, one lane adds the sums up, each goes over its run again.

override C: u32;
override GROUPS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

var<workgroup> sums: array<u32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  let run = (C + GX - 1u) / GX;
  let low = row * C + min(i * run, C);
  let high = row * C + min((i + 1u) * run, C);
  var sum = 0u;
  for (var c = low; c < high; c++) { sum += x[c]; }
  sums[i] = sum;
  workgroupBarrier();
  if (i == 0u) {
    sum = 0u;
    for (var lane = 0u; lane < GX; lane++) {
      let before = sum;
      sum += sums[lane];
      sums[lane] = before;
    }
  }
  workgroupBarrier();
  sum = sums[i];
  for (var c = low; c < high; c++) {
    y[c] = sum;
    sum += x[c];
  }
}
