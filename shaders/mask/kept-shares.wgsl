// keptShares: gates of several scales as shares of their sum.
//
//   gates [T, N]   ->   shares [T, N], count [N]
//
//   count[n] = sum over t of gates[t, n];   shares[t, n] = gates[t, n] / count[n], 0 where the count is 0
//
// One invocation an image: there are few. Summed in the order of t.

alias elem = f32;

override T: u32; override N: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> gates: array<elem>;
@group(0) @binding(1) var<storage, read_write> shares: array<elem>;
@group(0) @binding(2) var<storage, read_write> count: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = (wid.y * nwg.x + wid.x) * GX + lane;
  if (n >= N) { return; }
  var sum = 0.0;
  for (var t = 0u; t < T; t++) { sum += f32(gates[t * N + n]); }
  count[n] = elem(sum);
  for (var t = 0u; t < T; t++) {
    var share = 0.0;
    if (sum != 0.0) { share = f32(gates[t * N + n]) / sum; }
    shares[t * N + n] = elem(share);
  }
}
