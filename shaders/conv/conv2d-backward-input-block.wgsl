// conv2dBackwardInput (block): gradient of conv2d with respect to its input.
//
//   dy [N, KT, P, Q] channels K0 .. K0 + K, w [K, CG, R, S]   ->   dx [N, C, H, W]
//
//   dx[n, g CG + c, h, v] = sum over k of group g, and over r, s, of w[k, c, r, s] dy[n, K0 + k, p, q]
//   where p SH = h + PH - r DH and q SW = v + PW - s DW      (+ what dx held, if ACCUMULATE)
//
// Implicit matrix product for GPUs: a workgroup makes 64 channels x 64 pixels (of all images), an invocation 4 x 4 of them; slices 8 deep of both
// factors pass through workgroup memory (4 KiB), read from storage once a workgroup with neighbours on neighbouring addresses.
// Loads outside are selected away instead of branched around.
// With a stride, taps that meet no output count as zeros. Summed in the order k, r, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

const DEPTH = 8u;
var<workgroup> left: array<f32, 512>;   // [DEPTH][64 rows]
var<workgroup> right: array<f32, 512>;  // [DEPTH][64 columns]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (N * H * W + 63u) / 64u;
  let tiles = (CG + 63u) / 64u;
  let per = K / GROUPED;
  let part = group / blocks / tiles;
  let row = group / blocks % tiles * 64u;  // of the group's input channels
  let column = group % blocks * 64u;       // of pixels

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  let i = lane / 16u * 4u;  // rows row + i ... row + i + 3
  let j = lane % 16u * 4u;  // columns column + j ... column + j + 3
  for (var t = 0u; t < per * R * S; t += DEPTH) {
    for (var u = lane; u < 512u; u += 256u) {
      left[u] = weight(row + u % 64u, t + u / 64u, part * per);
      right[u] = gradient(column + u % 64u, t + u / 64u, part * per);
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      let l = d * 64u + i;
      let r = d * 64u + j;
      let v = vec4f(right[r], right[r + 1u], right[r + 2u], right[r + 3u]);
      a0 = fma(vec4f(left[l]), v, a0);
      a1 = fma(vec4f(left[l + 1u]), v, a1);
      a2 = fma(vec4f(left[l + 2u]), v, a2);
      a3 = fma(vec4f(left[l + 3u]), v, a3);
    }
    workgroupBarrier();
  }

  let sums = array<vec4f, 4>(a0, a1, a2, a3);
  for (var e = 0u; e < 16u; e++) {
    put(row + i + e / 4u, column + j + e % 4u, sums[e / 4u][e % 4u], part * CG);
  }
}

fn weight(c: u32, t: u32, first: u32) -> f32 {
  let inside = (c < CG) & (t < K / GROUPED * R * S);
  return select(0.0, f32(w[((first + t / (R * S)) * CG + c) * R * S + t % (R * S)]), inside);
}

fn gradient(pixel: u32, t: u32, first: u32) -> f32 {
  let down = pixel / W % H + PH - t / S % R * DH;  // above the first row it wraps to a huge number
  let across = pixel % W + PW - t % S * DW;
  let p = down / SH;
  let q = across / SW;
  let meets = (p * SH == down) & (q * SW == across);
  let inside = (pixel < N * H * W) & (t < K / GROUPED * R * S) & (p < P) & (q < Q) & meets;
  return select(0.0, f32(dy[((pixel / (H * W) * KT + K0 + first + t / (R * S)) * P + p) * Q + q]), inside);
}

fn put(row: u32, pixel: u32, sum: f32, first: u32) {
  if ((row >= CG) | (pixel >= N * H * W)) { return; }
  let at = (pixel / (H * W) * C + first + row) * H * W + pixel % (H * W);
  var v = sum;
  if (ACCUMULATE == 1u) { v += f32(dx[at]); }
  dx[at] = elem(v);
}
