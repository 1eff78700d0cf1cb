// branchRelevance: the relevance of a sum, shared between its two branches and scaled.
//
//   a [N, C], b [N, C] (the branches), r [N, C] (relevance of a + b), f [N, 2]   ->   ra [N, C], rb [N, C]
//
//   ra = f[n, 0] a r / (a + b),   rb = f[n, 1] b r / (a + b)
//
// Denominators get 1e-9; over 0 is 0.

alias elem = f32;

override N: u32; override C: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> b: array<elem>;
@group(0) @binding(2) var<storage, read> r: array<elem>;
@group(0) @binding(3) var<storage, read> f: array<elem>;
@group(0) @binding(4) var<storage, read_write> ra: array<elem>;
@group(0) @binding(5) var<storage, read_write> rb: array<elem>;

// shared: branchShare
fn over(x: f32, whole: f32) -> f32 { return select(x / (whole + 1e-9), 0.0, whole == 0.0); }
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C) { return; }
  let n = i / C;
  let x = f32(a[i]);
  let y = f32(b[i]);
  let s = over(f32(r[i]), x + y);
  ra[i] = elem(f32(f[2u * n]) * x * s);
  rb[i] = elem(f32(f[2u * n + 1u]) * y * s);
}
