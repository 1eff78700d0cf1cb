// cosineGradient: cosine similarity of each row to one vector, and its gradient.
//
//   x [N, C], f [C]   ->   score [N], dx [N, C]
//
//   score = x.f / (|x| |f|),   dx = f / (|x| |f|) - score x / |x|^2;   both 0 where x or f is 0
//
// One workgroup a row: GX partial sums, then a tree.

alias elem = f32;

override C: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> f: array<elem>;
@group(0) @binding(2) var<storage, read_write> score: array<elem>;
@group(0) @binding(3) var<storage, read_write> dx: array<elem>;

var<workgroup> partial: array<vec3f, GX>;  // x.f, x.x, f.f

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var sums = vec3f(0.0);
  for (var j = i; j < C; j += GX) {
    let a = f32(x[row * C + j]);
    let b = f32(f[j]);
    sums += vec3f(a * b, a * a, b * b);
  }
  partial[i] = sums;
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] += partial[i + step]; }
    workgroupBarrier();
  }
  let total = partial[0];
  var scale = 0.0;
  var shrink = 0.0;
  if (total.y > 0.0 && total.z > 0.0) {
    scale = 1.0 / (sqrt(total.y) * sqrt(total.z));
    shrink = total.x * scale / total.y;
  }
  if (i == 0u) { score[row] = elem(total.x * scale); }
  for (var j = i; j < C; j += GX) {
    dx[row * C + j] = elem(f32(f[j]) * scale - f32(x[row * C + j]) * shrink);
  }
}
