// winogradInput: tiles of an image as F(M x M, 3 x 3) multiplies them: v = BT d B, M = 2 or 4. The readable reference.
//
//   x [N, CT, H, W], channels C0 .. C0 + C, at [1]   ->   v [A, TB, CP, 16], A = (M + 2)^2
//
//   v[(M + 2) i + j, tb, c, t] = sum over r, s of BT[i, r] BT[j, s] x[n, C0 + c, M ty - PH + r, M tx - PW + s]   for tile at[0] + 16 tb + t = (n, ty, tx)
//
// One invocation an element; tiles past the last repeat it, channels past the last are 0.

alias elem = f32;

override N: u32; override CT: u32; override H: u32; override W: u32;
override C: u32; override C0: u32; override CP: u32; override TB: u32;
override DOWN: u32; override ACROSS: u32;
override PH: u32; override PW: u32;
override M: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> at: array<u32>;
@group(0) @binding(2) var<storage, read_write> v: array<elem>;

const BT2 = array<f32, 16>(1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1);
const BT4 = array<f32, 36>(
  4, 0, -5, 0, 1, 0,
  0, -4, -4, 1, 1, 0,
  0, 4, -4, -1, 1, 0,
  0, -2, -1, 2, 1, 0,
  0, 2, -1, -2, 1, 0,
  0, 4, 0, -5, 0, 1,
);

fn bt(i: u32, r: u32) -> f32 {
  var two = BT2;
  var four = BT4;
  return select(four[min(i * 6u + r, 35u)], two[min(i * 4u + r, 15u)], M == 2u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let item = (wid.y * nwg.x + wid.x) * 64u + lane;
  let side = M + 2u;
  if (item >= side * side * TB * CP * 16u) { return; }
  let c = item / 16u % CP;
  let tile = min(at[0] + item / (16u * CP) % TB * 16u + item % 16u, N * DOWN * ACROSS - 1u);
  let place = item / (16u * CP * TB);
  let image = (tile / (DOWN * ACROSS) * CT + C0 + c) * H;
  var sum = 0.0;
  if (c < C) {
    for (var r = 0u; r < side; r++) {
      let h = tile / ACROSS % DOWN * M + r - PH;  // before the first row: a huge number
      for (var s = 0u; s < side; s++) {
        let q = tile % ACROSS * M + s - PW;
        if (h < H && q < W) { sum += bt(place / side, r) * bt(place % side, s) * f32(x[(image + h) * W + q]); }
      }
    }
  }
  v[item] = elem(sum);
}
