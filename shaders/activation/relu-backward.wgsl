// reluBackward: gradients pass where the activation is above 0; at 0 the derivative is 0.
//
//   dy [*], y [*]   ->   dx [*]
//
//   dx[i] = dy[i] if y[i] > 0, else 0

alias elem = f32;

override SIZE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> y: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  dx[i] = select(elem(0.0), dy[i], y[i] > elem(0.0));
}
