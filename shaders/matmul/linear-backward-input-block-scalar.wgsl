// linearBackwardInput (block-scalar): gradient of linear with respect to its input, for GPUs and any width of x.
//
//   dy [N, KT] columns K0 .. K0 + K, w [K, C]   ->   dx [N, C]
//
//   dx[n, c] = sum over k of w[k, c] dy[n, K0 + k]      (+ what dx held, if ACCUMULATE)
//
// Matrix product for GPUs: a workgroup makes 64 rows x 64 columns, an invocation 4 x 4 of them; slices 8 deep of both
// factors pass through workgroup memory (4.25 KiB), read from storage once a workgroup with neighbours on neighbouring addresses.
// Loads outside are selected away instead of branched around.
// Summed in the order of k.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

const DEPTH = 8u;
const PITCH = 68u;  // what neighbours in depth store at once falls into banks of its own
var<workgroup> left: array<f32, 544>;   // [DEPTH][64 rows, to PITCH]
var<workgroup> right: array<f32, 544>;  // [DEPTH][64 columns, to PITCH]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (C + 63u) / 64u;
  let row = group / blocks * 64u;
  let column = group % blocks * 64u;

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  let i = lane / 16u * 4u;  // rows row + i ... row + i + 3
  let j = lane % 16u * 4u;  // columns column + j ... column + j + 3
  for (var t = 0u; t < K; t += DEPTH) {
    for (var u = lane; u < 512u; u += 256u) {
      left[u % DEPTH * PITCH + u / DEPTH] = gradient(row + u / DEPTH, t + u % DEPTH);
      right[u / 64u * PITCH + u % 64u] = weight(column + u % 64u, t + u / 64u);
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      let l = d * PITCH + i;
      let r = d * PITCH + j;
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
    put(row + i + e / 4u, column + j + e % 4u, sums[e / 4u][e % 4u]);
  }
}

fn gradient(n: u32, k: u32) -> f32 {
  return select(0.0, f32(dy[n * KT + K0 + k]), (n < N) & (k < K));
}

fn weight(c: u32, k: u32) -> f32 {
  return select(0.0, f32(w[k * C + c]), (c < C) & (k < K));
}

fn put(n: u32, c: u32, sum: f32) {
  if ((n >= N) | (c >= C)) { return; }
  var v = sum;
  if (ACCUMULATE == 1u) { v += f32(dx[n * C + c]); }
  dx[n * C + c] = elem(v);
}
