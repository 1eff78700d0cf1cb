// ablateChannels: copies of one image's activation, each with another feature map set to 0.
//
//   x [N, K, H, W], at [5] = image, first, ...   ->   y [M, K, H, W]
//
//   y[m, k] = 0 where k == first + m, else x[image, k]
//
// One invocation an element.

alias elem = f32;

override K: u32; override H: u32; override W: u32;
override M: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> at: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let area = H * W;
  let size = K * area;
  if (i >= M * size) { return; }
  let m = i / size;
  let place = i % size;
  var v = elem(0.0);
  if (place / area != at[1] + m) { v = x[at[0] * size + place]; }
  y[i] = v;
}
