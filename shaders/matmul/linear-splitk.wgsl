// linear (splitk): a fully connected layer for some tens of rows and long sums, for GPUs.
//
//   x [N, C], w [K, C], b [K], r [N, KT]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c]) + r[n, K0 + k]
//
// Tiles of 64 x 64 would be too few to fill a GPU, each with a long sum to itself. So a workgroup makes 16 rows x 32 columns, and its
// 256 invocations are eight parts that share out the sum: from every 64 elements of rows and columns, which come into workgroup memory as coalesced
// vec4s (C divides by 4; in lines of 17, so that eight columns lie in different banks), part p multiplies elements 8 p ... 8 p + 7, an invocation 4 x 4 sums.
// The next 64 are on their way in registers meanwhile. In the end the parts' sums are added through the same memory, 16 KiB: no second dispatch
// and no atomics. Summed by part, in the order of c within one, then in the order of parts.

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

var<workgroup> held: array<vec4f, 1024>;  // [16 rows, then 32 columns][17], and in the end [8 parts][16 rows][8 vec4s]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (N + 15u) / 16u;
  let row = group % blocks * 16u;
  let column = group / blocks * 32u;

  // What it brings: one vec4 of a row of x, two of rows of w.
  let place = lane % 16u;
  let line = lane / 16u;
  let from_x = min(row + line, N - 1u) * (C / 4u);
  let from_w = min(column + line, K - 1u) * (C / 4u);
  let from_v = min(column + line + 16u, K - 1u) * (C / 4u);
  // What it multiplies: rows i ... i + 3 and columns j, j + 8, j + 16, j + 24, in part's two vec4s.
  let part = lane / 32u;
  let i = lane / 8u % 4u * 4u;
  let j = lane % 8u;
  let rows = i * 17u + part * 2u;
  let columns = (16u + j) * 17u + part * 2u;

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var next_x = input(from_x, place);
  var next_w = weight(from_w, place);
  var next_v = weight(from_v, place);
  for (var t = 0u; t < C / 4u; t += 16u) {
    held[line * 17u + place] = next_x;
    held[(line + 16u) * 17u + place] = next_w;
    held[(line + 32u) * 17u + place] = next_v;
    workgroupBarrier();
    next_x = input(from_x, t + 16u + place);
    next_w = weight(from_w, t + 16u + place);
    next_v = weight(from_v, t + 16u + place);
    for (var d = 0u; d < 2u; d++) {
      let w0 = held[columns + d]; let w1 = held[columns + 136u + d]; let w2 = held[columns + 272u + d]; let w3 = held[columns + 408u + d];
      a0 = add(a0, held[rows + d], w0, w1, w2, w3);
      a1 = add(a1, held[rows + 17u + d], w0, w1, w2, w3);
      a2 = add(a2, held[rows + 34u + d], w0, w1, w2, w3);
      a3 = add(a3, held[rows + 51u + d], w0, w1, w2, w3);
    }
    workgroupBarrier();
  }

  let mine = part * 128u + i * 8u + j;
  held[mine] = a0;
  held[mine + 8u] = a1;
  held[mine + 16u] = a2;
  held[mine + 24u] = a3;
  workgroupBarrier();
  if (lane >= 128u) { return; }
  var sum = held[lane];
  for (var p = 1u; p < 8u; p++) { sum += held[p * 128u + lane]; }
  let n = row + lane / 8u;
  if (n >= N) { return; }
  for (var e = 0u; e < 4u; e++) {
    let k = column + lane % 8u + 8u * e;
    if (k < K) { put(n, k, sum[e]); }
  }
}

/// A vec4 of a row, zeros past its end.
fn input(at: u32, c: u32) -> vec4f {
  return select(vec4f(), vec4f(x[at + min(c, C / 4u - 1u)]), c < C / 4u);
}

fn weight(at: u32, c: u32) -> vec4f {
  return select(vec4f(), vec4f(w[at + min(c, C / 4u - 1u)]), c < C / 4u);
}

/// Adds four places c of one row times four columns.
fn add(sum: vec4f, v: vec4f, p: vec4f, q: vec4f, r: vec4f, s: vec4f) -> vec4f {
  let a = fma(v.xxxx, vec4f(p.x, q.x, r.x, s.x), sum);
  let b = fma(v.yyyy, vec4f(p.y, q.y, r.y, s.y), a);
  let c = fma(v.zzzz, vec4f(p.z, q.z, r.z, s.z), b);
  return fma(v.wwww, vec4f(p.w, q.w, r.w, s.w), c);
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
