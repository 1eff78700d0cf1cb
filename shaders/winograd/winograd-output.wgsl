// winogradOutput: M x M pixels of each tile from the sums of F(M x M, 3 x 3): y = AT m A, with bias and activation, M = 2 or 4. The readable reference.
//
//   m [A, KB, TB, 16, 16], b [K], at [1]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, M ty + i, M tx + j] = act(b[k] + sum over r, s of AT[i, r] AT[j, s] m[(M + 2) r + s, k / 16, tb, k % 16, t])   for tile at[0] + 16 tb + t = (n, ty, tx)
//
// One invocation a pixel of a tile.

alias elem = f32;

override N: u32; override TB: u32; override KB: u32;
override K: u32; override K0: u32; override KT: u32;
override P: u32; override Q: u32;
override DOWN: u32; override ACROSS: u32;
override M: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override ACCUMULATE: u32;

@group(0) @binding(0) var<storage, read> m: array<elem>;
@group(0) @binding(1) var<storage, read> b: array<elem>;
@group(0) @binding(2) var<storage, read> at: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

const AT2 = array<f32, 8>(1, 1, 1, 0, 0, 1, -1, -1);
const AT4 = array<f32, 24>(
  1, 1, 1, 1, 1, 0,
  0, 1, -1, 2, -2, 0,
  0, 1, 1, 4, 4, 0,
  0, 1, -1, 8, -8, 1,
);

fn coefficient(i: u32, r: u32) -> f32 {
  var two = AT2;
  var four = AT4;
  return select(four[min(i * 6u + r, 23u)], two[min(i * 4u + r, 7u)], M == 2u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let item = (wid.y * nwg.x + wid.x) * 64u + lane;
  if (item >= K * TB * 16u * M * M) { return; }
  let j = item % M;
  let i = item / M % M;
  let t = item / (M * M) % (TB * 16u);
  let k = item / (M * M * TB * 16u);
  let tile = at[0] + t;
  let p = tile / ACROSS % DOWN * M + i;
  let q = tile % ACROSS * M + j;
  if (tile >= N * DOWN * ACROSS || p >= P || q >= Q) { return; }
  let side = M + 2u;
  let first = (k / 16u * TB + t / 16u) * 256u + k % 16u * 16u + t % 16u;
  var sum = 0.0;
  for (var r = 0u; r < side; r++) {
    for (var s = 0u; s < side; s++) { sum += coefficient(i, r) * coefficient(j, s) * f32(m[first + (side * r + s) * KB * TB * 256u]); }
  }
  if (HAS_B == 1u) { sum += f32(b[k]); }
  if (ACT == 1u && sum < 0.0) { sum = 0.0; }
  let to = ((tile / (DOWN * ACROSS) * KT + K0 + k) * P + p) * Q + q;
  if (ACCUMULATE == 1u) { y[to] = elem(f32(y[to]) + sum); } else { y[to] = elem(sum); }
}
