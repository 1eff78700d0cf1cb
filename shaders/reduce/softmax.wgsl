// softmax: each row as probabilities, or their logarithms (LOG).
//
//   x [N, C]   ->   y [N, C]
//
//   p[c] = exp(x[c] - m) / sum over j of exp(x[j] - m),   m = the row's maximum
//   log p[c] = x[c] - m - log(sum over j of exp(x[j] - m))
//
// One workgroup a row: a tree for the maximum, one for the sum (GX partial sums), then the results.

alias elem = f32;

override C: u32;
override LOG: u32;  // 0 probabilities, 1 their logarithms
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  let start = row * C;

  var most = f32(x[start]);
  for (var c = i; c < C; c += GX) { most = max(most, f32(x[start + c])); }
  partial[i] = most;
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] = max(partial[i], partial[i + step]); }
    workgroupBarrier();
  }
  most = partial[0];
  workgroupBarrier();

  var sum = 0.0;
  for (var c = i; c < C; c += GX) { sum += exp(f32(x[start + c]) - most); }
  partial[i] = sum;
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] += partial[i + step]; }
    workgroupBarrier();
  }
  sum = partial[0];

  for (var c = i; c < C; c += GX) {
    let v = f32(x[start + c]) - most;
    y[start + c] = elem(select(exp(v) / sum, v - log(sum), LOG == 1u));
  }
}
