// branchFactors: by how much the relevance of the two branches of a sum is to be scaled, so that each gets its share of the whole.
//
//   a [N, C], b [N, C] (the branches), r [N, C] (relevance of a + b)   ->   f [N, 2]
//
//   A = sum of a r / (a + b),  B = sum of b r / (a + b),  R = sum of r;   f = (|A| / (|A| + |B|) R / A,  |B| / (|A| + |B|) R / B)
//
// Denominators get 1e-9; over 0 is 0. One workgroup a row: GX partial sums, each of runs of 64, so that a long row costs no accuracy; then trees.

alias elem = f32;

override C: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> b: array<elem>;
@group(0) @binding(2) var<storage, read> r: array<elem>;
@group(0) @binding(3) var<storage, read_write> f: array<elem>;

var<workgroup> partial: array<vec3f, GX>;

// shared: branchShare
fn over(x: f32, whole: f32) -> f32 { return select(x / (whole + 1e-9), 0.0, whole == 0.0); }
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var sum = vec3f(0.0);
  for (var start = lane; start < C; start += 64u * GX) {
    var run = vec3f(0.0);
    for (var c = start; c < min(C, start + 64u * GX); c += GX) {
      let i = row * C + c;
      let x = f32(a[i]);
      let y = f32(b[i]);
      let whole = f32(r[i]);
      let s = over(whole, x + y);
      run += vec3f(x * s, y * s, whole);
    }
    sum += run;
  }
  partial[lane] = sum;
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (lane < step) { partial[lane] += partial[lane + step]; }
    workgroupBarrier();
  }
  if (lane < 2u) {
    let total = partial[0];
    let own = select(total.x, total.y, lane == 1u);
    let share = over(abs(own), abs(total.x) + abs(total.y)) * total.z;
    f[row * 2u + lane] = elem(over(share, own));
  }
}
