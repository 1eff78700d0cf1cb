// batchNorm2dBackwardParams: gradient of batch normalisation with stored statistics, with respect to weight and bias.
//
//   dy x [N, C, H, W], mean variance [C]   ->   dw db [C]
//
//   dw[c] = sum over n, i of dy[n, c, i] (x[n, c, i] - mean[c]) / sqrt(variance[c] + EPS)
//   db[c] = sum over n, i of dy[n, c, i]
//
// One workgroup a channel: GX partial sums of each, then a tree.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override EPS: f32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> x: array<elem>;
@group(0) @binding(2) var<storage, read> mean: array<elem>;
@group(0) @binding(3) var<storage, read> variance: array<elem>;
@group(0) @binding(4) var<storage, read_write> dw: array<elem>;
@group(0) @binding(5) var<storage, read_write> db: array<elem>;

var<workgroup> partial: array<vec2f, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let c = wid.y * nwg.x + wid.x;
  if (c >= GROUPS) { return; }
  let size = H * W;
  let centre = f32(mean[c]);
  var sum = vec2f();
  for (var n = 0u; n < N; n++) {
    let map = (n * C + c) * size;
    for (var j = i; j < size; j += GX) {
      let gradient = f32(dy[map + j]);
      sum += vec2f(gradient * (f32(x[map + j]) - centre), gradient);
    }
  }
  partial[i] = sum;
  workgroupBarrier();

  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] += partial[i + step]; }
    workgroupBarrier();
  }
  if (i == 0u) {
    dw[c] = elem(partial[0].x / sqrt(f32(variance[c]) + EPS));
    db[c] = elem(partial[0].y);
  }
}
