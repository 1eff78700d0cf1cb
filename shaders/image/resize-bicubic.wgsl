// resizeBicubic: cubic convolution between pixel centres, without antialiasing.
//
//   x [N, C, H, W]   ->   y [N, C, P, Q]
//
//   the output pixel p looks at  src = (p + 1/2) H / P - 1/2,   t = src - floor(src)
//   y[p] = sum over j in -1..2 of cubic(t - j) x[clamp(floor(src) + j, 0, H - 1)];   columns likewise
//   cubic(v) = (A + 2)|v|^3 - (A + 3)|v|^2 + 1 for |v| <= 1,   A (|v|^3 - 5|v|^2 + 8|v| - 4) for |v| < 2,   A = -3/4
//
// src is kept as a fraction of whole numbers, so t is exact to one rounding. One invocation an output element, rows summed within
// columns.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32; override P: u32; override Q: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

const A = -0.75;

struct Taps { at: vec4u, weight: vec4f }

// What output i of `count` looks at among `size` elements.
fn taps(i: u32, size: u32, count: u32) -> Taps {
  let below = 2u * count;
  let above = (2u * i + 1u) * size + count;  // one element further than src, so that it is not negative
  let at = vec4i(i32(above / below)) + vec4i(-2, -1, 0, 1);
  let t = f32(above % below) / f32(below);
  let weight = vec4f(outer(t + 1.0), inner(t), inner(1.0 - t), outer(2.0 - t));
  return Taps(vec4u(clamp(at, vec4i(0), vec4i(i32(size) - 1))), weight);
}

fn inner(v: f32) -> f32 { return ((A + 2.0) * v - (A + 3.0)) * v * v + 1.0; }

fn outer(v: f32) -> f32 { return A * (((v - 5.0) * v + 8.0) * v - 4.0); }

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * P * Q) { return; }
  let rows = taps(i / Q % P, H, P);
  let columns = taps(i % Q, W, Q);
  let map = i / (Q * P) * (H * W);
  var sum = 0.0;
  for (var j = 0u; j < 4u; j++) {
    let row = map + rows.at[j] * W;
    let four = vec4f(f32(x[row + columns.at.x]), f32(x[row + columns.at.y]), f32(x[row + columns.at.z]), f32(x[row + columns.at.w]));
    sum += rows.weight[j] * dot(four, columns.weight);
  }
  y[i] = elem(sum);
}
