// tokensToMaps (square): rows of tokens as maps, a channel each column of the embedding.
//
//   x [N, T, D]   ->   y [N, D, P, Q]
//
//   y[n, d, p] = x[n, FIRST + p, d]
//
// For GPUs: 32 tokens x 32 columns a workgroup, turned in workgroup memory, so that both sides are read and written with
// neighbours on neighbouring addresses.

alias elem = f32;

override T: u32; override D: u32; override P: u32; override Q: u32;
override FIRST: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

var<workgroup> square: array<elem, 1056>;  // 32 x 32, rows 33 apart: columns lie in different banks

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let down = (P * Q + 31u) / 32u;
  let across = (D + 31u) / 32u;
  let n = group / (down * across);
  let pixel = group / across % down * 32u;
  let column = group % across * 32u;
  for (var e = lane; e < 1024u; e += 256u) {
    let p = pixel + e / 32u;
    let d = column + e % 32u;
    square[e / 32u * 33u + e % 32u] = select(elem(0.0), x[(n * T + FIRST + p) * D + d], (p < P * Q) & (d < D));
  }
  workgroupBarrier();
  for (var e = lane; e < 1024u; e += 256u) {
    let p = pixel + e % 32u;
    let d = column + e / 32u;
    if ((p < P * Q) & (d < D)) { y[(n * D + d) * P * Q + p] = square[e % 32u * 33u + e / 32u]; }
  }
}
