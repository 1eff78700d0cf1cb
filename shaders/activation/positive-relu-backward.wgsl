// positiveReluBackward: what arrives at a ReLU passes where it is above 0, with y only where the activation is above 0 too.
//
//   dy [*], y? [*]   ->   dx [*]
//
//   dx[i] = dy[i] if dy[i] > 0 and (there is no y, or y[i] > 0), else 0

alias elem = f32;

override SIZE: u32;
override HAS_Y: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> y: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let passes = dy[i] > elem(0.0) && (HAS_Y == 0u || y[i] > elem(0.0));
  dx[i] = select(elem(0.0), dy[i], passes);
}
