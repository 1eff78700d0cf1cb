// tokensToMaps: rows of tokens as maps, a channel each column of the embedding; the gradient of patchesToTokens.
//
//   x [N, T, D]   ->   y [N, D, P, Q]
//
//   y[n, d, p] = x[n, FIRST + p, d]
//
// One invocation an element of y, neighbours on neighbouring addresses there.

alias elem = f32;

override N: u32; override T: u32; override D: u32; override P: u32; override Q: u32;
override FIRST: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * D * P * Q) { return; }
  let n = i / (D * P * Q);
  y[i] = x[(n * T + FIRST + i % (P * Q)) * D + i / (P * Q) % D];
}
