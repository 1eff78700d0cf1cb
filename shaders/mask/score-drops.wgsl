// scoreDrops: how much of a score each change takes away.
//
//   scores [N, K], baseline [N, 1]   ->   w [N, K]
//
//   w[n, k] = (baseline[n] - scores[n, k]) / baseline[n] if RELATIVE, else the difference;   0 where it would be divided by 0
//
// One invocation an element.

alias elem = f32;

override N: u32; override K: u32;
override RELATIVE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> scores: array<elem>;
@group(0) @binding(1) var<storage, read> baseline: array<elem>;
@group(0) @binding(2) var<storage, read_write> w: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * K) { return; }
  let whole = f32(baseline[i / K]);
  var v = whole - f32(scores[i]);
  if (RELATIVE == 1u) { v = select(0.0, v / whole, whole != 0.0); }
  w[i] = elem(v);
}
