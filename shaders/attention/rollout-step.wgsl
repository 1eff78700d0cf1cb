// rolloutStep: a row times a matrix for each image: one block less in a product of attention matrices of which one row is wanted.
//
//   r [N, T], m [N, T, T], s? [N, T]   ->   y [N, T]
//
//   y[n, j] = sum over i of r[n, i] (IDENTITY [i = j] + m[n, i, j]) / (IDENTITY + s[n, i]),   without s not divided
//
// One invocation an element of y; neighbours read neighbours of m. Summed in the order of i.

alias elem = f32;

override N: u32; override T: u32;
override HAS_S: u32;
override IDENTITY: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> r: array<elem>;
@group(0) @binding(1) var<storage, read> m: array<elem>;
@group(0) @binding(2) var<storage, read> s: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let e = (wid.y * nwg.x + wid.x) * GX + lane;
  if (e >= N * T) { return; }
  let j = e % T;
  let row = e - j;
  var sum = 0.0;
  for (var i = 0u; i < T; i++) {
    let v = f32(m[(row + i) * T + j]) + select(0.0, IDENTITY, i == j);
    var weight = f32(r[row + i]);
    if (HAS_S == 1u) {
      let whole = IDENTITY + f32(s[row + i]);
      weight = select(weight / whole, 0.0, whole == 0.0);
    }
    sum += weight * v;
  }
  y[e] = elem(sum);
}
