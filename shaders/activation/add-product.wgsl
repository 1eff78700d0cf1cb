// addProduct: an elementwise product, added to what is there.
//
//   a [*], b [*]   ->   y [*]
//
//   y[i] = (0 if FIRST else y[i]) + a[i] b[i]

alias elem = f32;

override SIZE: u32;
override FIRST: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> b: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  var before = 0.0;
  if (FIRST == 0u) { before = f32(y[i]); }
  y[i] = elem(before + f32(a[i]) * f32(b[i]));
}
