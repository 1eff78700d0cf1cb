// channelSlice: copies a range of channels; the gradient of concat.
//
//   x [N, KT, H, W]   ->   y [N, C, H, W]
//
//   y[n, c, h, w] = x[n, K0 + c, h, w]

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K0: u32; override KT: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let size = H * W;
  if (i >= N * C * size) { return; }
  let n = i / (C * size);
  y[i] = x[(n * KT + K0) * size + i % (C * size)];
}
