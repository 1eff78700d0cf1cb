// linearBackwardWeight: gradient of linear with respect to its weight. The readable reference.
//
//   x [N, C], dy [N, KT] columns K0 .. K0 + K   ->   dw [K, C]
//
//   dw[k, c] = sum over n of dy[n, K0 + k] x[n, c]
//
// One invocation an element of dw; summed in the order of n.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> dy: array<elem>;
@group(0) @binding(2) var<storage, read_write> dw: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= K * C) { return; }
  let c = i % C;
  let k = i / C;
  var sum = 0.0;
  for (var n = 0u; n < N; n++) { sum += f32(dy[n * KT + K0 + k]) * f32(x[n * C + c]); }
  dw[i] = elem(sum);
}
