// layerNorm: each row to mean 0 and variance 1, then scaled and shifted.
//
//   x [M, D], w b [D]   ->   y [M, D]
//
//   y[m, d] = (x[m, d] - mean[m]) / sqrt(variance[m] + EPS) w[d] + b[d]     variance biased: the mean of squares
//
// One workgroup a row: GX partial sums and a tree for the mean, for what rounding left of it, and for the variance: a row far
// from 0 loses nothing by cancellation.

alias elem = f32;

override D: u32;
override EPS: f32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  let moments = rowMoments(i, row * D);
  for (var d = i; d < D; d += GX) {
    let v = ((f32(x[row * D + d]) - moments.x) - moments.y) * moments.z;
    y[row * D + d] = elem(v * f32(w[d]) + f32(b[d]));
  }
}

// shared: rowMoments
/// Of the row that begins at `start`: the mean in two parts, and 1 / sqrt(variance + EPS).
fn rowMoments(i: u32, start: u32) -> vec3f {
  var sum = 0.0;
  for (var d = i; d < D; d += GX) { sum += f32(x[start + d]); }
  let mean = sumOverGroup(i, sum) / f32(D);
  sum = 0.0;
  for (var d = i; d < D; d += GX) { sum += f32(x[start + d]) - mean; }
  let rest = sumOverGroup(i, sum) / f32(D);
  sum = 0.0;
  for (var d = i; d < D; d += GX) {
    let v = (f32(x[start + d]) - mean) - rest;
    sum += v * v;
  }
  return vec3f(mean, rest, 1.0 / sqrt(sumOverGroup(i, sum) / f32(D) + EPS));
}
// end

// shared: sumOverGroup
fn sumOverGroup(i: u32, value: f32) -> f32 {
  workgroupBarrier();
  partial[i] = value;
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] += partial[i + step]; }
    workgroupBarrier();
  }
  return partial[0];
}
// end
