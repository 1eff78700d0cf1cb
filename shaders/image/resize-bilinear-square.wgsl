// resizeBilinear (square): linear interpolation between pixel centres, without antialiasing, to sides at least three times as long.
//
//   x [N, C, H, W]   ->   y [N, C, P, Q],   P >= 3 H, Q >= 3 W, Q a multiple of 4
//
//   the output pixel p looks at  src = (p + 1/2) H / P - 1/2, at least 0           (ALIGN 0)
//                                src = p (H - 1) / (P - 1), 0 where P is 1         (ALIGN 1)
//   y[p] = (1 - t) x[floor(src)] + t x[min(floor(src) + 1, H - 1)],   t = src - floor(src);   columns likewise
//
// An invocation makes 4 x 4 neighbours, which lie between 3 x 3 elements: 9 loads in place of 64. The arithmetic is that of one element.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32; override P: u32; override Q: u32;
override ALIGN: u32;
override GX = 16u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<elem>>;

// shared: tap
// What output i of `count` looks at among `size` elements: `low`, `high` and the weight t of `high`.
struct Tap { low: u32, high: u32, t: f32 }

fn tap(i: u32, size: u32, count: u32) -> Tap {
  var above = i * (size - 1u);
  var below = max(count - 1u, 1u);
  if (ALIGN == 0u) {
    above = (2u * i + 1u) * size;
    above = max(above, count) - count;
    below = 2u * count;
  }
  let low = above / below;
  return Tap(low, min(low + 1u, size - 1u), f32(above % below) / f32(below));
}
// end

/// The four columns of an invocation: where the first looks, which of them look one further, and their weights.
struct Columns { first: u32, further: vec4<bool>, t: vec4f }

fn along(row: u32, columns: Columns) -> vec4f {
  let a = f32(x[row + columns.first]);
  let b = f32(x[row + min(columns.first + 1u, W - 1u)]);
  let c = f32(x[row + min(columns.first + 2u, W - 1u)]);
  let low = select(vec4f(a), vec4f(b), columns.further);
  let high = select(vec4f(b), vec4f(c), columns.further);
  return low + columns.t * (high - low);
}

fn put(at: u32, p: u32, first: u32, r0: vec4f, r1: vec4f, r2: vec4f) {
  if (p >= P) { return; }
  let row = tap(p, H, P);
  let is_further = row.low != first;
  let low = select(r0, r1, is_further);
  let high = select(r1, r2, is_further);
  y[at] = vec4<elem>(low + row.t * (high - low));
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let wide = Q / 4u;
  let high = (P + 3u) / 4u;
  if (i >= N * C * high * wide) { return; }
  let q = i % wide * 4u;
  let p = i / wide % high * 4u;
  let map = i / (wide * high);
  let q0 = tap(q, W, Q); let q1 = tap(q + 1u, W, Q); let q2 = tap(q + 2u, W, Q); let q3 = tap(q + 3u, W, Q);
  let columns = Columns(q0.low, vec4u(q0.low, q1.low, q2.low, q3.low) != vec4u(q0.low), vec4f(q0.t, q1.t, q2.t, q3.t));
  let first = tap(p, H, P).low;
  let r0 = along((map * H + first) * W, columns);
  let r1 = along((map * H + min(first + 1u, H - 1u)) * W, columns);
  let r2 = along((map * H + min(first + 2u, H - 1u)) * W, columns);
  let at = (map * P + p) * wide + i % wide;
  put(at, p, first, r0, r1, r2);
  put(at + wide, p + 1u, first, r0, r1, r2);
  put(at + 2u * wide, p + 2u, first, r0, r1, r2);
  put(at + 3u * wide, p + 3u, first, r0, r1, r2);
}
