// patchesToTokens (square): maps of patch embeddings as rows of tokens, class tokens before them, positions added.
//
//   x [N, D, H, W], cls [EXTRA, D], pos [TT, D]   ->   y [N, TT, D],   EXTRA = TT - H W
//
//   y[n, t] = cls[t] + pos[t]  for t < EXTRA (pos[t] alone without cls),   y[n, EXTRA + p, d] = x[n, d, p] + pos[EXTRA + p, d]
//
// For GPUs: 32 tokens x 32 columns a workgroup, turned in workgroup memory (4.1 KiB), so that both sides are read and written with
// neighbours on neighbouring addresses.

alias elem = f32;

override D: u32; override H: u32; override W: u32; override TT: u32;
override HAS_CLS: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> cls: array<elem>;
@group(0) @binding(2) var<storage, read> pos: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

var<workgroup> square: array<elem, 1056>;  // 32 x 32, rows 33 apart: columns lie in different banks

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let down = (TT + 31u) / 32u;
  let across = (D + 31u) / 32u;
  let n = group / (down * across);
  let token = group / across % down * 32u;
  let column = group % across * 32u;
  let extra = TT - H * W;
  for (var e = lane; e < 1024u; e += 256u) {
    let t = token + e % 32u;
    let d = column + e / 32u;
    let inside = (t >= extra) & (t < TT) & (d < D);
    square[e / 32u * 33u + e % 32u] = select(elem(0.0), x[(n * D + d) * H * W + t - extra], inside);
  }
  workgroupBarrier();
  for (var e = lane; e < 1024u; e += 256u) {
    let t = token + e / 32u;
    let d = column + e % 32u;
    if ((t >= TT) | (d >= D)) { continue; }
    var v = f32(pos[t * D + d]) + f32(square[e % 32u * 33u + e / 32u]);
    if (HAS_CLS == 1u && t < extra) { v += f32(cls[t * D + d]); }
    y[(n * TT + t) * D + d] = elem(v);
  }
}
