// linearBackwardInput: gradient of linear with respect to its input. The readable reference.
//
//   dy [N, KT] columns K0 .. K0 + K, w [K, C]   ->   dx [N, C]
//
//   dx[n, c] = sum over k of w[k, c] dy[n, K0 + k]      (+ what dx held, if ACCUMULATE)
//
// One invocation an element of dx, neighbours read neighbouring weights; summed in the order of k.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C) { return; }
  let c = i % C;
  let n = i / C;
  var sum = 0.0;
  for (var k = 0u; k < K; k++) { sum += f32(w[k * C + c]) * f32(dy[n * KT + K0 + k]); }
  if (ACCUMULATE == 1u) { sum += f32(dx[i]); }
  dx[i] = elem(sum);
}
