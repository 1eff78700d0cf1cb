// add: elementwise sum, with an activation.
//
//   a [*], b [*]   ->   y [*]
//
//   y[i] = act(a[i] + b[i])

alias elem = f32;

override SIZE: u32;
override ACT: u32;  // 0 none, 1 relu
override GX = 64u;

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> b: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let sum = a[i] + b[i];
  y[i] = select(sum, elem(0.0), ACT == 1u && sum < elem(0.0));
}
