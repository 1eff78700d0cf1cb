// conv2d (block): cross-correlation with zero padding, any stride, dilation and groups.
//
//   x [N, C, H, W], w [K, CG, R, S], b [K]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] x[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW])
//
// Implicit matrix product for GPUs: a workgroup makes 64 channels x 64 pixels (of all images), an invocation 4 x 4 of them; slices 8 deep of both
// factors pass through workgroup memory (4 KiB), read from storage once a workgroup with neighbours on neighbouring addresses.
// Loads outside are selected away instead of branched around.
// Summed in the order c, r, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

const DEPTH = 8u;
var<workgroup> left: array<f32, 512>;   // [DEPTH][64 rows]
var<workgroup> right: array<f32, 512>;  // [DEPTH][64 columns]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let pixels = N * P * Q;
  let blocks = (pixels + 63u) / 64u;
  let per = K / GROUPED;
  let tiles = (per + 63u) / 64u;
  let part = group / blocks / tiles;
  let row = group / blocks % tiles * 64u;  // of the group's channels
  let column = group % blocks * 64u;       // of pixels

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  let i = lane / 16u * 4u;  // rows row + i ... row + i + 3
  let j = lane % 16u * 4u;  // columns column + j ... column + j + 3
  for (var t = 0u; t < CG * R * S; t += DEPTH) {
    for (var u = lane; u < 512u; u += 256u) {
      left[u % DEPTH * 64u + u / DEPTH] = weight(part * per + row + u / DEPTH, t + u % DEPTH, (part + 1u) * per);
      right[u] = input(column + u % 64u, t + u / 64u, part * CG);
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
    put(row + i + e / 4u, column + j + e % 4u, sums[e / 4u][e % 4u], part * per);
  }
}

fn weight(k: u32, t: u32, end: u32) -> f32 {
  return select(0.0, f32(w[k * CG * R * S + t]), (k < end) & (t < CG * R * S));
}

fn input(pixel: u32, t: u32, channel: u32) -> f32 {
  let h = pixel / Q % P * SH + t / S % R * DH - PH;  // before the first row wraps to a huge number
  let v = pixel % Q * SW + t % S * DW - PW;
  let inside = (pixel < N * P * Q) & (t < CG * R * S) & (h < H) & (v < W);
  return select(0.0, f32(x[((pixel / (P * Q) * C + channel + t / (R * S)) * H + h) * W + v]), inside);
}

fn put(row: u32, pixel: u32, sum: f32, first: u32) {
  if ((row >= K / GROUPED) | (pixel >= N * P * Q)) { return; }
  let k = first + row;
  var v = sum;
  if (HAS_B == 1u) { v += f32(b[k]); }
  if (ACT == 1u && v < 0.0) { v = 0.0; }
  y[(pixel / (P * Q) * KT + K0 + k) * P * Q + pixel % (P * Q)] = elem(v);
}
