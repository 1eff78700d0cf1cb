// patchesToTokens: maps of patch embeddings as rows of tokens, class tokens before them, positions added.
//
//   x [N, D, H, W], cls [EXTRA, D], pos [TT, D]   ->   y [N, TT, D],   EXTRA = TT - H W
//
//   y[n, t] = cls[t] + pos[t]  for t < EXTRA (pos[t] alone without cls),   y[n, EXTRA + p, d] = x[n, d, p] + pos[EXTRA + p, d]
//
// One invocation an element of y, neighbours on neighbouring addresses there.

alias elem = f32;

override N: u32; override D: u32; override H: u32; override W: u32; override TT: u32;
override HAS_CLS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> cls: array<elem>;
@group(0) @binding(2) var<storage, read> pos: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * TT * D) { return; }
  let extra = TT - H * W;
  let t = i / D % TT;
  var v = f32(pos[i % (TT * D)]);
  if (t >= extra) {
    v += f32(x[(i / (TT * D) * D + i % D) * H * W + t - extra]);
  } else if (HAS_CLS == 1u) {
    v += f32(cls[i % (TT * D)]);
  }
  y[i] = elem(v);
}
