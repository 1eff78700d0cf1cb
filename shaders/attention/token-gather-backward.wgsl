// tokenGatherBackward: gradient of tokenGather, 0 at all other tokens.
//
//   dy [N, D]   ->   dx [N, T, D]
//
//   dx[n, t, d] = dy[n, d] if t is TOKEN, else 0

alias elem = f32;

override N: u32; override T: u32; override D: u32;
override TOKEN: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read_write> dx: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * T * D) { return; }
  dx[i] = select(elem(0.0), dy[i / (T * D) * D + i % D], i / D % T == TOKEN);
}
