// winogradFused: a 3 x 3 convolution of stride 1 by F(2 x 2, 3 x 3) in one dispatch, with bias, activation and 2 x 2 pooling. The readable reference.
//
//   x [N, C, H, W], u [16, KB, CP, 16], b [K]   ->   y [N, KT, OP, OQ], channels K0 .. K0 + K
//
//   y[n, K0 + k, 2 ty + i, 2 tx + j] = act(b[k] + sum over r, s of AT[i, r] AT[j, s] m[4 r + s]),   m[a] = sum over c of u[a, k / 16, c, k % 16] v[a, c],
//   v[4 i + j, c] = sum over r, s of BT[i, r] BT[j, s] x[n, c, 2 ty - PH + r, 2 tx - PW + s]
//   With POOL, y [N, KT, P / 2, Q / 2]: the largest of the four.
//
// One invocation a tile (n, ty, tx) of a filter. Summed in the order c.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override KB: u32; override CP: u32; override K0: u32; override KT: u32;
override P: u32; override Q: u32; override OP: u32; override OQ: u32;
override DOWN: u32; override ACROSS: u32;
override PH: u32; override PW: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override POOL: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> u: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let item = (wid.y * nwg.x + wid.x) * 64u + lane;
  let tiles = N * DOWN * ACROSS;
  if (item >= K * tiles) { return; }
  let tile = item % tiles;
  let k = item / tiles;
  let n = tile / (DOWN * ACROSS);
  let ty = tile / ACROSS % DOWN;
  let tx = tile % ACROSS;

  var m = mat4x4f();
  for (var c = 0u; c < C; c++) {
    let v = forth(patch_of((n * C + c) * H, 2u * ty - PH, 2u * tx - PW));  // before the first row or column: huge numbers
    let first = (k / 16u * CP + c) * 16u + k % 16u;
    let step = KB * CP * 16u;
    for (var r = 0u; r < 4u; r++) {
      let at = first + 4u * r * step;
      m[r] += v[r] * vec4f(f32(u[at]), f32(u[at + step]), f32(u[at + 2u * step]), f32(u[at + 3u * step]));
    }
  }
  // Two rows of two pixels.
  let upper = m[0] + m[1] + m[2];
  let lower = m[1] - m[2] - m[3];
  var pixels = vec4f(upper.x + upper.y + upper.z, upper.y - upper.z - upper.w, lower.x + lower.y + lower.z, lower.y - lower.z - lower.w);
  if (HAS_B == 1u) { pixels += f32(b[k]); }
  if (ACT == 1u) { pixels = select(pixels, vec4f(), pixels < vec4f()); }
  let to = (n * KT + K0 + k) * OP;
  if (POOL == 1u) {
    y[(to + ty) * OQ + tx] = elem(larger(larger(pixels.x, pixels.y), larger(pixels.z, pixels.w)));
    return;
  }
  for (var e = 0u; e < 4u; e++) {
    let p = 2u * ty + e / 2u;
    let q = 2u * tx + e % 2u;
    if (p < P && q < Q) { y[(to + p) * OQ + q] = elem(pixels[e]); }
  }
}

/// The rows of 4 x 4 pixels from (h, v) on in the plane whose first row is `plane`; 0 outside.
fn patch_of(plane: u32, h: u32, v: u32) -> mat4x4f {
  var rows = mat4x4f();
  for (var e = 0u; e < 16u; e++) {
    let i = h + e / 4u;
    let j = v + e % 4u;
    if (i < H && j < W) { rows[e / 4u][e % 4u] = f32(x[(plane + i) * W + j]); }
  }
  return rows;
}

// shared: forth
/// BT d B of a patch, rows of four.
fn forth(d: mat4x4f) -> mat4x4f {
  let rows = mat4x4f(d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]);
  return mat4x4f(along(rows[0]), along(rows[1]), along(rows[2]), along(rows[3]));
}

fn along(r: vec4f) -> vec4f { return vec4f(r.x - r.z, r.y + r.z, r.z - r.y, r.y - r.w); }
// end

// shared: larger
/// The larger of two, where NaN is larger than any number. Comparisons with NaN may be optimised away; its bits may not.
fn larger(a: f32, b: f32) -> f32 { return select(a, b, b > a || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u); }
// end
