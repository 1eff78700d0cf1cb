// liveFirst: the order of maps in which those that vary come before those that are constant once enlarged, and how many to ask about.
//
//   range [N, K, 2] (upsampledRange)   ->   order [N, K], count [N]
//
//   order[n, j] is the map in place j; count[n] = min(K, maps that vary + 1): constant maps mask alike, one stands for all
//
// One invocation a map: its place is the number of maps before it, of those that come before.

alias elem = f32;

override N: u32; override K: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> range: array<elem>;
@group(0) @binding(1) var<storage, read_write> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> count: array<u32>;

fn varies(map: u32) -> bool { return range[2u * map + 1u] > range[2u * map]; }

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * K) { return; }
  let k = i % K;
  let first = i - k;
  var all = 0u;
  var before = 0u;
  for (var j = 0u; j < K; j++) {
    let one = select(0u, 1u, varies(first + j));
    all += one;
    before += select(0u, one, j < k);
  }
  let place = select(all + k - before, before, varies(i));
  order[first + place] = k;
  if (k == 0u) { count[i / K] = min(all + 1u, K); }
}
