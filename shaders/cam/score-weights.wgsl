// scoreWeights: weights of the maps from the scores of the images that they mask.
//
//   scores [N, K], baseline [N, 1], range [N, K, 2]   ->   w [N, K]
//
//   w = scores - baseline,   0 where the map is constant (its range is empty)
//
// One invocation an element.

alias elem = f32;

override N: u32; override K: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> scores: array<elem>;
@group(0) @binding(1) var<storage, read> baseline: array<elem>;
@group(0) @binding(2) var<storage, read> range: array<elem>;
@group(0) @binding(3) var<storage, read_write> w: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * K) { return; }
  if (range[2u * i + 1u] > range[2u * i]) { w[i] = elem(f32(scores[i]) - f32(baseline[i / K])); } else { w[i] = elem(0.0); }
}
