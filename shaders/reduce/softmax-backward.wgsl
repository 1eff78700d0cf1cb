// softmaxBackward: gradient of softmax, or of log-softmax (LOG), from its result.
//
//   dy [N, C], y [N, C]   ->   dx [N, C]
//
//   softmax      dx[c] = y[c] (dy[c] - sum over j of y[j] dy[j])
//   log-softmax  dx[c] = dy[c] - exp(y[c]) sum over j of dy[j]
//
// One workgroup a row: GX partial sums, then a tree.

alias elem = f32;

override C: u32;
override LOG: u32;  // 0 softmax, 1 log-softmax
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> y: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  let start = row * C;

  var sum = 0.0;
  for (var c = i; c < C; c += GX) {
    sum += f32(dy[start + c]) * select(f32(y[start + c]), 1.0, LOG == 1u);
  }
  partial[i] = sum;
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] += partial[i + step]; }
    workgroupBarrier();
  }
  sum = partial[0];

  for (var c = i; c < C; c += GX) {
    let gradient = f32(dy[start + c]);
    let result = f32(y[start + c]);
    dx[start + c] = elem(select(result * (gradient - sum), gradient - exp(result) * sum, LOG == 1u));
  }
}
