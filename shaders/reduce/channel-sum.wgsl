// channelSum: each channel summed over batch and space: the gradient of a bias.
//
//   dy [N, KT, P, Q] channels K0 .. K0 + K   ->   db [K]
//
// One workgroup a channel. GX partial sums, then a tree: the order of summation is fixed.

alias elem = f32;

override N: u32; override P: u32; override Q: u32;
override K0: u32; override KT: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read_write> db: array<elem>;

var<workgroup> partial: array<f32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let k = wid.y * nwg.x + wid.x;
  if (k >= GROUPS) { return; }
  let size = P * Q;
  var sum = 0.0;
  for (var n = 0u; n < N; n++) {
    let first = (n * KT + K0 + k) * size;
    for (var j = lane; j < size; j += GX) { sum += f32(dy[first + j]); }
  }
  partial[lane] = sum;
  workgroupBarrier();

  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (lane < step) { partial[lane] += partial[lane + step]; }
    workgroupBarrier();
  }
  if (lane == 0u) { db[k] = elem(partial[0]); }
}
