// scoresByMap: scores in the order of maps, from scores in the order in which the network was asked.
//
//   scores [N, K], order [N, K], count [N] (liveFirst)   ->   y [N, K]
//
//   y[n, order[n, j]] = scores[n, min(j, count[n] - 1)]
//
// The network may have been asked about the first `count` only: the maps behind mask as the last of these does. One invocation an element.

alias elem = f32;

override N: u32; override K: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> scores: array<elem>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> count: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * K) { return; }
  let j = i % K;
  let first = i - j;
  y[first + order[i]] = scores[first + min(j, count[i / K] - 1u)];
}
