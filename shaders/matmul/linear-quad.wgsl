// linear (quad): a fully connected layer for software adapters with subgroups: 8 rows x 4 columns an invocation, 8 x 16 four of them.
//
//   x [N, C], w [K, C], b [K], r [N, KT]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c]) + r[n, K0 + k]
//
// A CPU that runs shaders does four invocations at once, and pays for a load as for ten multiply-adds and more, even if all four ask for the
// same element. So no element is asked for twice: the four have four columns each of their own, and of every four rows of x each has one, which
// it gives to the others by quadBroadcast: 6 loads of vec4s (C divides by 4) feed 128 multiply-adds in each. Turning columns of w into
// vec4s costs nothing there. WIDE is for up to four rows, where reading w is all: 4 rows x 8 columns an invocation.
// A workgroup is one quad: its four invocations are numbered by their place in the subgroup, so subgroups may have any size.
// Summed in the order of c, whatever N is.

enable subgroups;
alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_R: u32;
override ACT: u32;  // 0 none, 1 relu, 2 gelu
override WIDE: u32;  // 0 or 1
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> r: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

/// Where row k of w and row n of x begin, in vec4s; rows past the end repeat the last.
fn filter_at(k: u32) -> u32 { return min(k, K - 1u) * (C / 4u); }
fn row(n: u32) -> u32 { return min(n, N - 1u) * (C / 4u); }

/// Four columns at four places c: each member has one place of all four.
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

fn turned(p: vec4f, q: vec4f, r: vec4f, s: vec4f) -> Four {
  return Four(vec4f(p.x, q.x, r.x, s.x), vec4f(p.y, q.y, r.y, s.y), vec4f(p.z, q.z, r.z, s.z), vec4f(p.w, q.w, r.w, s.w));
}

fn add(sum: vec4f, f: Four, v: vec4f) -> vec4f {
  return fma(f.d, v.wwww, fma(f.c, v.zzzz, fma(f.b, v.yyyy, fma(f.a, v.xxxx, sum))));
}

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(subgroup_invocation_id) id: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let lane = id % 4u;
  let rows = 8u - 4u * WIDE;
  let blocks = (N + rows - 1u) / rows;
  let n = group % blocks * rows;
  let k = group / blocks * (16u + 16u * WIDE) + lane;  // of columns k, k + 4, k + 8, k + 12
  let m = n + 4u - 4u * WIDE;  // the second four rows, or the same ones
  let l = k + 16u * WIDE;      // the same columns, or the second four

  let f0 = filter_at(k); let f1 = filter_at(k + 4u); let f2 = filter_at(k + 8u); let f3 = filter_at(k + 12u);
  let g0 = filter_at(l); let g1 = filter_at(l + 4u); let g2 = filter_at(l + 8u); let g3 = filter_at(l + 12u);
  let first = row(n + lane);
  let second = row(m + lane);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f();
  for (var c = 0u; c < C / 4u; c++) {
    let f = turned(vec4f(w[f0 + c]), vec4f(w[f1 + c]), vec4f(w[f2 + c]), vec4f(w[f3 + c]));
    let v = vec4f(x[first + c]);
    a0 = add(a0, f, quadBroadcast(v, 0u));
    if (N > 1u) { a1 = add(a1, f, quadBroadcast(v, 1u)); }
    if (N > 2u) { a2 = add(a2, f, quadBroadcast(v, 2u)); }
    if (N > 3u) { a3 = add(a3, f, quadBroadcast(v, 3u)); }
    if (WIDE == 1u) {
      let g = turned(vec4f(w[g0 + c]), vec4f(w[g1 + c]), vec4f(w[g2 + c]), vec4f(w[g3 + c]));
      b0 = add(b0, g, quadBroadcast(v, 0u));
      if (N > 1u) { b1 = add(b1, g, quadBroadcast(v, 1u)); }
      if (N > 2u) { b2 = add(b2, g, quadBroadcast(v, 2u)); }
      if (N > 3u) { b3 = add(b3, g, quadBroadcast(v, 3u)); }
    } else {
      let u = vec4f(x[second + c]);
      b0 = add(b0, f, quadBroadcast(u, 0u));
      b1 = add(b1, f, quadBroadcast(u, 1u));
      b2 = add(b2, f, quadBroadcast(u, 2u));
      b3 = add(b3, f, quadBroadcast(u, 3u));
    }
  }

  let sums = array<vec4f, 8>(a0, a1, a2, a3, b0, b1, b2, b3);
  for (var i = 0u; i < 8u; i++) {
    let j = select(n, m, i >= 4u) + i % 4u;
    if (j >= N) { continue; }
    let column = select(k, l, i >= 4u);
    for (var e = 0u; e < 4u; e++) {
      if (column + 4u * e < K) { put(j, column + 4u * e, sums[i][e]); }
    }
  }
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
