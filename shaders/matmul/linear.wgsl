// linear: a fully connected layer. The readable reference.
//
//   x [N, C], w [K, C], b [K]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c])
//
// One invocation an output element; summed in the order of c.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * K) { return; }
  let k = i % K;
  let n = i / K;
  var sum = 0.0;
  for (var c = 0u; c < C; c++) { sum += f32(w[k * C + c]) * f32(x[n * C + c]); }
  if (HAS_B == 1u) { sum += f32(b[k]); }
  if (ACT == 1u && sum < 0.0) { sum = 0.0; }
  y[n * KT + K0 + k] = elem(sum);
}
