// batchNorm2d: batch normalisation with stored statistics, and an activation.
//
//   x [N, C, H, W], w b mean variance [C]   ->   y [N, C, H, W]
//
//   y[n, c, i] = act((x[n, c, i] - mean[c]) w[c] / sqrt(variance[c] + EPS) + b[c])

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override EPS: f32;
override ACT: u32;  // 0 none, 1 relu
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> mean: array<elem>;
@group(0) @binding(4) var<storage, read> variance: array<elem>;
@group(0) @binding(5) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * H * W) { return; }
  let c = i / (H * W) % C;
  let scale = f32(w[c]) / sqrt(f32(variance[c]) + EPS);
  let v = (f32(x[i]) - f32(mean[c])) * scale + f32(b[c]);
  y[i] = elem(select(v, 0.0, ACT == 1u && v < 0.0));
}
