// rescaleGelu: multipliers through a GELU by DeepLIFT's rescale rule.
//
//   dy [*], x [*], x0 [*]   ->   dx [*]
//
//   dx[i] = dy[i] (gelu(x[i]) - gelu(x0[i])) / (x[i] - x0[i]),   gelu(v) = v P(v),   x0 the reference's input
//
// Where x and x0 lie within 1/64 the difference of the results would lose half its digits: there it is the derivative half way between,
// P(m) + m p(m) with p(v) = exp(-v^2 / 2) / sqrt(2 pi), which is off by no more than (x - x0)^2 |gelu'''| / 24 < 1.4e-5.
//
// P(v), the standard normal distribution, is fitted in two pieces, for the least largest relative error: up to |v| = 1.5
//   P(v) = 1/2 + v (a polynomial of degree 6 in v^2), beyond P(-v) = exp(-v^2 / 2) t (one of degree 6 in t), t = 1 / (1 + 0.4 v).
// Within 1e-7 of the exact P in f32 arithmetic (2.7e-9 and 5.4e-8 P before rounding).

alias elem = f32;

override SIZE: u32;
override GX = 64u;

const NEAR = 0x1p-6f;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> x: array<elem>;
@group(0) @binding(2) var<storage, read> x0: array<elem>;
@group(0) @binding(3) var<storage, read_write> dx: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let v = f32(x[i]);
  let v0 = f32(x0[i]);
  let middle = 0.5 * v + 0.5 * v0;
  let n = normal(middle);
  var slope = n.x + middle * n.y;
  if (abs(v - v0) > NEAR) { slope = (v * normal(v).x - v0 * normal(v0).x) / (v - v0); }
  dx[i] = elem(f32(dy[i]) * slope);
}

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
