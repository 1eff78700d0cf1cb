// multiplyColumns: an elementwise product, of some columns only.
//
//   a [M, C], b [M, C]   ->   y [M, C], of which the columns FIRST .. FIRST + COUNT are written
//
//   y[m, c] = a[m, c] b[m, c]

alias elem = f32;

override M: u32; override C: u32;
override FIRST: u32; override COUNT: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> b: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let e = (wid.y * nwg.x + wid.x) * GX + lane;
  if (e >= M * COUNT) { return; }
  let i = e / COUNT * C + FIRST + e % COUNT;
  y[i] = elem(f32(a[i]) * f32(b[i]));
}
