// linear (block): a fully connected layer.
//
//   x [N, C], w [K, C], b [K], r [N, KT]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c]) + r[n, K0 + k]
//
// Matrix product for GPUs: a workgroup of 128 invocations makes 64 rows x 64 columns, an invocation 8 x 4 of them: 3 vec4s from workgroup memory feed
// 32 multiply-adds. Slices 16 deep of both factors pass through that memory, 8 KiB, so that several workgroups fit beside each other; while a slice
// is multiplied, the next is on its way from storage into registers. Half of the invocations bring x, half w, each a square of 4 x 4 as four vec4s
// (C divides by 4), 64 bytes of a row between neighbours, turned in registers so that rows lie side by side. In depth d, vec4 i lies at place
// i ^ (d / 4 * 2): so neighbours that write meet no bank twice. Loads outside are clamped, those past C then zero.
// Summed in the order of c.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_R: u32;
override ACT: u32;  // 0 none, 1 relu, 2 gelu
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> r: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

var<workgroup> left: array<vec4f, 256>;   // [16 deep][16], rows of x
var<workgroup> right: array<vec4f, 256>;  // [16 deep][16], rows of w

/// Four rows at four places c.
struct Square { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (K + 63u) / 64u;
  let row = group / blocks * 64u;
  let column = group % blocks * 64u;

  let brings_x = lane < 64u;
  let c = lane % 4u;        // which vec4 of a slice's four it brings
  let four = lane % 64u / 4u;  // of which four rows
  let to = c * 64u + (four ^ (c * 2u));
  let i = lane / 16u * 2u;  // vec4s i and i + 1 of rows
  let j = lane % 16u;       // vec4 j of columns

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var next = Square();
  if (brings_x) { next = inputs(row + four * 4u, c); } else { next = weights(column + four * 4u, c); }
  for (var t = 0u; t < C / 4u; t += 4u) {
    keep(brings_x, to, next);
    workgroupBarrier();
    if (brings_x) { next = inputs(row + four * 4u, t + 4u + c); } else { next = weights(column + four * 4u, t + 4u + c); }
    for (var d = 0u; d < 16u; d++) {
      let turn = d / 4u * 2u;
      let u = left[d * 16u + (i ^ turn)];
      let v = left[d * 16u + ((i + 1u) ^ turn)];
      let f = right[d * 16u + (j ^ turn)];
      a0 = fma(u.xxxx, f, a0); a1 = fma(u.yyyy, f, a1); a2 = fma(u.zzzz, f, a2); a3 = fma(u.wwww, f, a3);
      a4 = fma(v.xxxx, f, a4); a5 = fma(v.yyyy, f, a5); a6 = fma(v.zzzz, f, a6); a7 = fma(v.wwww, f, a7);
    }
    workgroupBarrier();
  }

  let sums = array<vec4f, 8>(a0, a1, a2, a3, a4, a5, a6, a7);
  for (var e = 0u; e < 32u; e++) {
    let n = row + i * 4u + e / 4u;
    let k = column + j * 4u + e % 4u;
    if ((n < N) & (k < K)) { put(n, k, sums[e / 4u][e % 4u]); }
  }
}

/// Writes a square turned, so that the four rows lie side by side.
fn keep(is_left: bool, to: u32, s: Square) {
  let a = vec4f(s.a.x, s.b.x, s.c.x, s.d.x);
  let b = vec4f(s.a.y, s.b.y, s.c.y, s.d.y);
  let c = vec4f(s.a.z, s.b.z, s.c.z, s.d.z);
  let d = vec4f(s.a.w, s.b.w, s.c.w, s.d.w);
  if (is_left) {
    left[to] = a; left[to + 16u] = b; left[to + 32u] = c; left[to + 48u] = d;
  } else {
    right[to] = a; right[to + 16u] = b; right[to + 32u] = c; right[to + 48u] = d;
  }
}

/// Vec4 c of rows n ... n + 3 of x; rows past the end repeat the last, zeros past C.
fn inputs(n: u32, c: u32) -> Square { return Square(input(n, c), input(n + 1u, c), input(n + 2u, c), input(n + 3u, c)); }
fn weights(k: u32, c: u32) -> Square { return Square(weight(k, c), weight(k + 1u, c), weight(k + 2u, c), weight(k + 3u, c)); }

fn input(n: u32, c: u32) -> vec4f {
  return select(vec4f(), vec4f(x[min(n, N - 1u) * (C / 4u) + min(c, C / 4u - 1u)]), c < C / 4u);
}

fn weight(k: u32, c: u32) -> vec4f {
  return select(vec4f(), vec4f(w[min(k, K - 1u) * (C / 4u) + min(c, C / 4u - 1u)]), c < C / 4u);
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
