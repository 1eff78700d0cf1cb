// linear (quad): a fully connected layer for software adapters with subgroups: ROWS rows x 4 columns an invocation, or 8 if WIDE.
//
//   x [N, C], w [K, C], b [K], r [N, KT]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c]) + r[n, K0 + k]
//
// A CPU that runs shaders does four or eight invocations at once, and pays for a load as for ten multiply-adds and more, even if all ask
// for the same element. So a quad asks for no element twice: the four have columns of their own, and of every four rows of x each has one,
// which it gives to the others by quadBroadcast: with 8 x 4 an invocation 6 loads of vec4s (C divides by 4) feed 128 multiply-adds, with
// 16 x 8 twelve feed 512. Turning columns of w into vec4s costs nothing there. 4 x 8 is for up to four rows, where reading w is all.
// A workgroup is a quad, or two beside each other where eight invocations run at once: its LANES invocations are numbered by their place in
// the subgroup, so subgroups may have any size from LANES on.
// Summed in the order of c, whatever N is.

enable subgroups;
alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_R: u32;
override ACT: u32;  // 0 none, 1 relu, 2 gelu
override ROWS: u32;  // 4, 8 or 16
override WIDE: u32;  // 0 or 1
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> r: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

/// Where row k of w and row n of x begin, in vec4s; rows past the end repeat the last.
fn filter_at(k: u32) -> u32 { return min(k, K - 1u) * (C / 4u); }
fn row(n: u32) -> u32 { return min(n, N - 1u) * (C / 4u); }

// shared: addFour
/// Four vec4s at four places of what is summed over.
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

/// A sum of four results, and what four places add to it.
fn add(sum: vec4f, f: Four, v: vec4f) -> vec4f {
  return fma(f.d, v.wwww, fma(f.c, v.zzzz, fma(f.b, v.yyyy, fma(f.a, v.xxxx, sum))));
}
// end

// shared: turned
/// Four vec4s with rows and columns exchanged.
fn turned(p: vec4f, q: vec4f, r: vec4f, s: vec4f) -> Four {
  return Four(vec4f(p.x, q.x, r.x, s.x), vec4f(p.y, q.y, r.y, s.y), vec4f(p.z, q.z, r.z, s.z), vec4f(p.w, q.w, r.w, s.w));
}
// end

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(subgroup_invocation_id) id: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let lane = id % 4u;
  let blocks = (N + ROWS - 1u) / ROWS;
  let n = group % blocks * ROWS;
  let k = (group / blocks * (LANES / 4u) + id / 4u) * (16u + 16u * WIDE) + lane;  // of columns k, k + 4, ... k + 12, or k + 28

  let f0 = filter_at(k); let f1 = filter_at(k + 4u); let f2 = filter_at(k + 8u); let f3 = filter_at(k + 12u);
  let g0 = filter_at(k + 16u); let g1 = filter_at(k + 20u); let g2 = filter_at(k + 24u); let g3 = filter_at(k + 28u);
  let r0 = row(n + lane); let r1 = row(n + 4u + lane); let r2 = row(n + 8u + lane); let r3 = row(n + 12u + lane);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var a8 = vec4f(); var a9 = vec4f(); var a10 = vec4f(); var a11 = vec4f(); var a12 = vec4f(); var a13 = vec4f(); var a14 = vec4f(); var a15 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var b8 = vec4f(); var b9 = vec4f(); var b10 = vec4f(); var b11 = vec4f(); var b12 = vec4f(); var b13 = vec4f(); var b14 = vec4f(); var b15 = vec4f();
  for (var c = 0u; c < C / 4u; c++) {
    let f = turned(vec4f(w[f0 + c]), vec4f(w[f1 + c]), vec4f(w[f2 + c]), vec4f(w[f3 + c]));
    var g = Four();
    if (WIDE == 1u) { g = turned(vec4f(w[g0 + c]), vec4f(w[g1 + c]), vec4f(w[g2 + c]), vec4f(w[g3 + c])); }
    let v0 = vec4f(x[r0 + c]);
    a0 = add(a0, f, quadBroadcast(v0, 0u));
    if (N > 1u) { a1 = add(a1, f, quadBroadcast(v0, 1u)); }
    if (N > 2u) { a2 = add(a2, f, quadBroadcast(v0, 2u)); }
    if (N > 3u) { a3 = add(a3, f, quadBroadcast(v0, 3u)); }
    if (WIDE == 1u) {
      b0 = add(b0, g, quadBroadcast(v0, 0u));
      if (N > 1u) { b1 = add(b1, g, quadBroadcast(v0, 1u)); }
      if (N > 2u) { b2 = add(b2, g, quadBroadcast(v0, 2u)); }
      if (N > 3u) { b3 = add(b3, g, quadBroadcast(v0, 3u)); }
    }
    if (ROWS > 4u) {
      let v1 = vec4f(x[r1 + c]);
      a4 = add(a4, f, quadBroadcast(v1, 0u));
      a5 = add(a5, f, quadBroadcast(v1, 1u));
      a6 = add(a6, f, quadBroadcast(v1, 2u));
      a7 = add(a7, f, quadBroadcast(v1, 3u));
      if (WIDE == 1u) {
        b4 = add(b4, g, quadBroadcast(v1, 0u));
        b5 = add(b5, g, quadBroadcast(v1, 1u));
        b6 = add(b6, g, quadBroadcast(v1, 2u));
        b7 = add(b7, g, quadBroadcast(v1, 3u));
      }
    }
    if (ROWS > 8u) {
      let v2 = vec4f(x[r2 + c]);
      a8 = add(a8, f, quadBroadcast(v2, 0u));
      a9 = add(a9, f, quadBroadcast(v2, 1u));
      a10 = add(a10, f, quadBroadcast(v2, 2u));
      a11 = add(a11, f, quadBroadcast(v2, 3u));
      if (WIDE == 1u) {
        b8 = add(b8, g, quadBroadcast(v2, 0u));
        b9 = add(b9, g, quadBroadcast(v2, 1u));
        b10 = add(b10, g, quadBroadcast(v2, 2u));
        b11 = add(b11, g, quadBroadcast(v2, 3u));
      }
    }
    if (ROWS > 12u) {
      let v3 = vec4f(x[r3 + c]);
      a12 = add(a12, f, quadBroadcast(v3, 0u));
      a13 = add(a13, f, quadBroadcast(v3, 1u));
      a14 = add(a14, f, quadBroadcast(v3, 2u));
      a15 = add(a15, f, quadBroadcast(v3, 3u));
      if (WIDE == 1u) {
        b12 = add(b12, g, quadBroadcast(v3, 0u));
        b13 = add(b13, g, quadBroadcast(v3, 1u));
        b14 = add(b14, g, quadBroadcast(v3, 2u));
        b15 = add(b15, g, quadBroadcast(v3, 3u));
      }
    }
  }

  let sums = array<vec4f, 32>(
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15,
    b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15,
  );
  for (var i = 0u; i < ROWS * (1u + WIDE); i++) {
    let j = i % ROWS;
    if (n + j >= N) { continue; }
    let sum = sums[i / ROWS * 16u + j];
    let column = k + i / ROWS * 16u;
    for (var e = 0u; e < 4u; e++) {
      if (column + 4u * e < K) { put(n + j, column + 4u * e, sum[e]); }
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
