// layerNorm (row): each row to mean 0 and variance 1, then scaled and shifted, for software adapters: one invocation a row.
//
//   x [M, D], w b [D]   ->   y [M, D]      D divides by 4
//
//   y[m, d] = (x[m, d] - mean[m]) / sqrt(variance[m] + EPS) w[d] + b[d]     variance biased: the mean of squares
//
// A CPU that runs shaders pays for a barrier as for a hundred loads, and does four rows at once as cheaply as four places of one. Means and
// sums of squares grow place by place (Welford 1962), four of them side by side, so a row is read twice instead of four times
// and one far from 0 loses nothing by cancellation.

alias elem = f32;

override M: u32; override D: u32;
override EPS: f32;
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<elem>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<elem>>;

fn total(v: vec4f) -> f32 { return (v.x + v.y) + (v.z + v.w); }

// shared: momentsOfRow
/// Of the row whose fours begin at `start`: its first element, how far from that the mean is, and 1 / sqrt(variance + EPS).
fn momentsOfRow(start: u32) -> vec3f {
  let first = f32(x[start].x);
  var means = vec4f();
  var squares = vec4f();
  for (var d = 0u; d < D / 4u; d++) {
    let v = vec4f(x[start + d]) - first;
    let off = v - means;
    means += off / f32(d + 1u);
    squares = fma(off, v - means, squares);
  }
  let mean = total(means) / 4.0;
  let apart = means - mean;
  let variance = (total(squares) + f32(D / 4u) * total(apart * apart)) / f32(D);
  return vec3f(first, mean, 1.0 / sqrt(variance + EPS));
}
// end

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let start = min(group * LANES + lane, M - 1u) * (D / 4u);  // the last row again past the end
  let moments = momentsOfRow(start);
  for (var d = 0u; d < D / 4u; d++) {
    let v = ((vec4f(x[start + d]) - moments.x) - moments.y) * moments.z;
    y[start + d] = vec4<elem>(fma(v, vec4f(w[d]), vec4f(b[d])));
  }
}
