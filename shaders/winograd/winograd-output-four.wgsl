// winogradOutput (four): 4 x 4 pixels of each tile from the 36 sums of F(4 x 4, 3 x 3): y = AT m A, with bias and activation.
//
//   m [36, KB, TB, 16, 16], b [K], at [1]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, 4 ty + i, 4 tx + j] = act(b[k] + sum over r, s of AT[i, r] AT[j, s] m[6 r + s, k / 16, tb, k % 16, t])   for tile at[0] + 16 tb + t = (n, ty, tx)
//
// An invocation makes four tiles of a channel, side by side in vectors.

alias elem = f32;

override N: u32; override TB: u32; override KB: u32;
override K: u32; override K0: u32; override KT: u32;
override P: u32; override Q: u32;
override DOWN: u32; override ACROSS: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override ACCUMULATE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> m: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> b: array<elem>;
@group(0) @binding(2) var<storage, read> at: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

/// Six sums, of four tiles each, and what AT makes of them.
struct Six { a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f }
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

fn load(first: u32) -> Six {
  let step = KB * TB * 64u;
  return Six(
    vec4f(m[first]), vec4f(m[first + step]), vec4f(m[first + 2u * step]),
    vec4f(m[first + 3u * step]), vec4f(m[first + 4u * step]), vec4f(m[first + 5u * step]),
  );
}

/// AT times six sums.
fn gather(s: Six) -> Four {
  let one = s.b + s.c; let other = s.b - s.c;
  let two = s.d + s.e; let double = s.d - s.e;
  return Four(s.a + one + two, other + 2.0 * double, one + 4.0 * two, other + 8.0 * double + s.f);
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let item = (wid.y * nwg.x + wid.x) * GX + lane;
  if (item >= TB * 4u * K) { return; }
  let quad = item % (TB * 4u);  // four tiles
  let k = item / (TB * 4u);
  let first = ((k / 16u * TB + quad / 4u) * 16u + k % 16u) * 4u + quad % 4u;
  let step = 6u * KB * TB * 64u;
  let r0 = gather(load(first));
  let r1 = gather(load(first + step));
  let r2 = gather(load(first + 2u * step));
  let r3 = gather(load(first + 3u * step));
  let r4 = gather(load(first + 4u * step));
  let r5 = gather(load(first + 5u * step));
  let q0 = gather(Six(r0.a, r1.a, r2.a, r3.a, r4.a, r5.a));  // a column of pixels
  let q1 = gather(Six(r0.b, r1.b, r2.b, r3.b, r4.b, r5.b));
  let q2 = gather(Six(r0.c, r1.c, r2.c, r3.c, r4.c, r5.c));
  let q3 = gather(Six(r0.d, r1.d, r2.d, r3.d, r4.d, r5.d));

  var bias = 0.0;
  if (HAS_B == 1u) { bias = f32(b[k]); }
  let tile = at[0] + quad * 4u;
  pixels(tile, k, bias + vec4f(q0.a.x, q1.a.x, q2.a.x, q3.a.x), bias + vec4f(q0.b.x, q1.b.x, q2.b.x, q3.b.x),
    bias + vec4f(q0.c.x, q1.c.x, q2.c.x, q3.c.x), bias + vec4f(q0.d.x, q1.d.x, q2.d.x, q3.d.x));
  pixels(tile + 1u, k, bias + vec4f(q0.a.y, q1.a.y, q2.a.y, q3.a.y), bias + vec4f(q0.b.y, q1.b.y, q2.b.y, q3.b.y),
    bias + vec4f(q0.c.y, q1.c.y, q2.c.y, q3.c.y), bias + vec4f(q0.d.y, q1.d.y, q2.d.y, q3.d.y));
  pixels(tile + 2u, k, bias + vec4f(q0.a.z, q1.a.z, q2.a.z, q3.a.z), bias + vec4f(q0.b.z, q1.b.z, q2.b.z, q3.b.z),
    bias + vec4f(q0.c.z, q1.c.z, q2.c.z, q3.c.z), bias + vec4f(q0.d.z, q1.d.z, q2.d.z, q3.d.z));
  pixels(tile + 3u, k, bias + vec4f(q0.a.w, q1.a.w, q2.a.w, q3.a.w), bias + vec4f(q0.b.w, q1.b.w, q2.b.w, q3.b.w),
    bias + vec4f(q0.c.w, q1.c.w, q2.c.w, q3.c.w), bias + vec4f(q0.d.w, q1.d.w, q2.d.w, q3.d.w));
}

/// Writes four rows of a tile.
fn pixels(tile: u32, k: u32, a: vec4f, b: vec4f, c: vec4f, d: vec4f) {
  if (tile >= N * DOWN * ACROSS) { return; }
  let p = tile / ACROSS % DOWN * 4u;
  let q = tile % ACROSS * 4u;
  let to = ((tile / (DOWN * ACROSS) * KT + K0 + k) * P + p) * Q + q;
  row(to, a, p, q); row(to + Q, b, p + 1u, q); row(to + 2u * Q, c, p + 2u, q); row(to + 3u * Q, d, p + 3u, q);
}

/// Writes four neighbours, those that lie in y.
fn row(to: u32, sums: vec4f, p: u32, q: u32) {
  if (p >= P) { return; }
  let value = select(sums, vec4f(), vec4<bool>(ACT == 1u) & (sums < vec4f()));
  put(to, value.x, q); put(to + 1u, value.y, q + 1u); put(to + 2u, value.z, q + 2u); put(to + 3u, value.w, q + 3u);
}

fn put(to: u32, value: f32, q: u32) {
  if (q >= Q) { return; }
  if (ACCUMULATE == 1u) { y[to] = elem(f32(y[to]) + value); } else { y[to] = elem(value); }
}
