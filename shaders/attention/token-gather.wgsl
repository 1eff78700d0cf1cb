// tokenGather: one token of each image.
//
//   x [N, T, D]   ->   y [N, D]
//
//   y[n, d] = x[n, TOKEN, d]

alias elem = f32;

override N: u32; override T: u32; override D: u32;
override TOKEN: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * D) { return; }
  y[i] = x[(i / D * T + TOKEN) * D + i % D];
}
