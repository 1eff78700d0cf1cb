// packRows: copies a tensor's elements to a place in a longer row.
//
//   x [SIZE]   ->   y [E], elements OFFSET .. OFFSET + SIZE
//
//   y[OFFSET + i] = x[i]; other elements are left as they are

alias elem = f32;

override SIZE: u32;
override OFFSET: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  y[OFFSET + i] = x[i];
}
