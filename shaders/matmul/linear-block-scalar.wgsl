// linear (block-scalar): a fully connected layer of any width, for GPUs: linear (block) takes four elements of a row at once, this one each alone.
//
//   x [N, C], w [K, C], b [K], r [N, KT]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c]) + r[n, K0 + k]
//
// Matrix product for GPUs: a workgroup makes 64 rows x 64 columns, an invocation 4 x 4 of them; slices 8 deep of both
// factors pass through workgroup memory (4.25 KiB), read from storage once a workgroup with neighbours on neighbouring addresses.
// Loads outside are selected away instead of branched around.
// Summed in the order of c.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_R: u32;
override ACT: u32;  // 0 none, 1 relu, 2 gelu
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> r: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

const DEPTH = 8u;
const PITCH = 68u;  // what neighbours in depth store at once falls into banks of its own
var<workgroup> left: array<f32, 544>;   // [DEPTH][64 rows, to PITCH]
var<workgroup> right: array<f32, 544>;  // [DEPTH][64 columns, to PITCH]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (K + 63u) / 64u;
  let row = group / blocks * 64u;
  let column = group % blocks * 64u;

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  let i = lane / 16u * 4u;  // rows row + i ... row + i + 3
  let j = lane % 16u * 4u;  // columns column + j ... column + j + 3
  for (var t = 0u; t < C; t += DEPTH) {
    for (var u = lane; u < 512u; u += 256u) {
      left[u % DEPTH * PITCH + u / DEPTH] = input(row + u / DEPTH, t + u % DEPTH);
      right[u % DEPTH * PITCH + u / DEPTH] = weight(column + u / DEPTH, t + u % DEPTH);
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
    let n = row + i + e / 4u;
    let k = column + j + e % 4u;
    if ((n < N) & (k < K)) { put(n, k, sums[e / 4u][e % 4u]); }
  }
}

fn input(n: u32, c: u32) -> f32 {
  return select(0.0, f32(x[n * C + c]), (n < N) & (c < C));
}

fn weight(k: u32, c: u32) -> f32 {
  return select(0.0, f32(w[k * C + c]), (k < K) & (c < C));
}

// shared: put
/// Writes row n, column k from its sum.
fn put(n: u32, k: u32, sum: f32) {
  var v = sum;
  if (HAS_B == 1u) { v += f32(b[k]); }
  if (ACT == 1u && v < 0.0) { v = 0.0; }
  if (ACT == 2u) { v *= normal(v).x; }
  let at = n * KT + K0 + k;
  if (HAS_R == 1u) { v += f32(r[at]); }
  y[at] = elem(v);
}
// end

// shared: normal
/// Standard normal distribution up to v, and its density there.
fn normal(v: f32) -> vec2f {
  let a = min(abs(v), 20.0);  // both are 0 or 1 in f32 long before
  let u = a * a;
  let bell = exp(-0.5 * u);
  let near = a * (0.398942292 + u * (-0.0664903373 + u * (0.00997324102 + u * (-0.00118648866 + u * (0.000114356539
    + u * (-8.71835618e-06 + u * 4.11563093e-07))))));
  let t = 1.0 / (1.0 + 0.4 * a);
  let tail = bell * t * (0.159597307 + t * (0.159074277 + t * (0.139169052 + t * (0.0550102144 + t * (0.106224626
    + t * (-0.187086016 + t * 0.0682916045))))));
  let below = select(tail, 0.5 - near, a < 1.5);
  return vec2f(select(below, select(1.0 - tail, 0.5 + near, a < 1.5), v > 0.0), 0.39894228 * bell);
}
// end
