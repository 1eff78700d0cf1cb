// mapsToTokens: maps as rows of tokens, zeros in the rows that no map has; the gradient of tokensToMaps.
//
//   x [N, D, H, W]   ->   y [N, T, D]
//
//   y[n, FIRST + p, d] = x[n, d, p],   0 in the other rows
//
// One invocation an element of y, neighbours on neighbouring addresses there.

alias elem = f32;

override N: u32; override D: u32; override H: u32; override W: u32; override T: u32;
override FIRST: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * T * D) { return; }
  let t = i / D % T;
  let p = min(max(t, FIRST) - FIRST, H * W - 1u);
  let v = x[(i / (T * D) * D + i % D) * H * W + p];
  y[i] = select(elem(0.0), v, t == FIRST + p);
}
