// linear (gemv-subgroup): a fully connected layer for up to 8 rows, for GPUs with subgroups.
//
//   x [N, C], w [K, C], b [K], r [N, KT]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c]) + r[n, K0 + k]
//
// Bound by reading w, as linear (gemv): a workgroup has four rows of w, which it reads once, in coalesced vec4s (C divides by 4), and four sums for each
// x that it loads. GX partial sums for each n; a subgroup adds its own in registers, which leaves two barriers where the tree has seven. Nothing is assumed of the size of
// subgroups, of which invocations they hold, nor that they are full: a subgroup's sum lies at the least index of its invocations, zeros at the others, and
// each subgroup adds all of these by the rank of its invocations. The order of summation is the device's for a given size of subgroups, and fixed.

enable subgroups;
alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_R: u32;
override ACT: u32;  // 0 none, 1 relu, 2 gelu
override GROUPS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> r: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

var<workgroup> partial: array<vec4f, GX * N>;  // [N][GX], of four columns

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let k = group * 4u;
  let size = C / 4u;
  // Where rows of w begin; past the last one that is read again.
  let rows = min(vec4u(k) + vec4u(0u, 1u, 2u, 3u), vec4u(K - 1u)) * size;
  var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f(); var s4 = vec4f(); var s5 = vec4f(); var s6 = vec4f(); var s7 = vec4f();
  for (var c = lane; c < size; c += GX) {
    let v = mat4x4f(vec4f(w[rows.x + c]), vec4f(w[rows.y + c]), vec4f(w[rows.z + c]), vec4f(w[rows.w + c]));
    s0 += vec4f(x[c]) * v;
    if (N > 1u) { s1 += vec4f(x[1u * size + c]) * v; }
    if (N > 2u) { s2 += vec4f(x[2u * size + c]) * v; }
    if (N > 3u) { s3 += vec4f(x[3u * size + c]) * v; }
    if (N > 4u) { s4 += vec4f(x[4u * size + c]) * v; }
    if (N > 5u) { s5 += vec4f(x[5u * size + c]) * v; }
    if (N > 6u) { s6 += vec4f(x[6u * size + c]) * v; }
    if (N > 7u) { s7 += vec4f(x[7u * size + c]) * v; }
  }

  workgroupBarrier();  // brings together who left the loop at different turns

  let is_least = subgroupMin(lane) == lane;
  keep(0u, lane, is_least, s0);
  if (N > 1u) { keep(1u, lane, is_least, s1); }
  if (N > 2u) { keep(2u, lane, is_least, s2); }
  if (N > 3u) { keep(3u, lane, is_least, s3); }
  if (N > 4u) { keep(4u, lane, is_least, s4); }
  if (N > 5u) { keep(5u, lane, is_least, s5); }
  if (N > 6u) { keep(6u, lane, is_least, s6); }
  if (N > 7u) { keep(7u, lane, is_least, s7); }
  workgroupBarrier();

  let rank = subgroupExclusiveAdd(1u);
  let count = subgroupAdd(1u);
  for (var i = 0u; i < 4u * N; i++) {
    var sum = 0.0;
    for (var part = rank; part < GX; part += count) { sum += partial[i / 4u * GX + part][i % 4u]; }
    let whole = subgroupAdd(sum);
    if (lane == i && k + i % 4u < K) { put(i / 4u, k + i % 4u, whole); }
  }
}

/// Keeps the sum over the subgroup at its least invocation.
fn keep(n: u32, lane: u32, is_least: bool, own: vec4f) {
  let sum = vec4f(subgroupAdd(own.x), subgroupAdd(own.y), subgroupAdd(own.z), subgroupAdd(own.w));
  partial[n * GX + lane] = select(vec4f(), sum, is_least);
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
