// linear: a fully connected layer. The readable reference.
//
//   x [N, C], w [K, C], b [K], r [N, KT]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c]) + r[n, K0 + k]
//
// One invocation an output element; summed in the order of c.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_R: u32;
override ACT: u32;  // 0 none, 1 relu, 2 gelu
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> r: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * K) { return; }
  let k = i % K;
  let n = i / K;
  var sum = 0.0;
  for (var c = 0u; c < C; c++) { sum += f32(w[k * C + c]) * f32(x[n * C + c]); }
  put(n, k, sum);
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
