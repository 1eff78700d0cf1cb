// paintSegments: each pixel gets the value of its segment.
//
//   labels [N, H, W], values [N, S]   ->   y [N, H, W]
//
//   y[n, i] = values[n, labels[n, i]],   0 for a label that has no value
//
// One invocation a pixel.

alias elem = f32;

override N: u32; override S: u32; override H: u32; override W: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> labels: array<u32>;
@group(0) @binding(1) var<storage, read> values: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * H * W) { return; }
  let label = labels[i];
  y[i] = select(elem(), values[i / (H * W) * S + min(label, S - 1u)], label < S);
}
