// batchNorm2dBackward: gradient of batch normalisation with stored statistics, with respect to its input.
//
//   dy [N, C, H, W], w variance [C]   ->   dx [N, C, H, W]
//
//   dx[n, c, i] = dy[n, c, i] w[c] / sqrt(variance[c] + EPS)

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override EPS: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> variance: array<elem>;
@group(0) @binding(3) var<storage, read_write> dx: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * H * W) { return; }
  let c = i / (H * W) % C;
  dx[i] = elem(f32(dy[i]) * (f32(w[c]) / sqrt(f32(variance[c]) + EPS)));
}
