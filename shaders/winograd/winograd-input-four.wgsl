// winogradInput (four): tiles of 6 x 6 elements, 4 apart, as F(4 x 4, 3 x 3): v = BT d B.
//
//   x [N, CT, H, W], channels C0 .. C0 + C, at [1]   ->   v [36, TB, CP, 16]
//
//   v[6 i + j, tb, c, t] = sum over r, s of BT[i, r] BT[j, s] x[n, C0 + c, 4 ty - PH + r, 4 tx - PW + s]   for tile at[0] + 16 tb + t = (n, ty, tx)
//
// An invocation makes four tiles of a channel, side by side in vectors: what it writes are whole vectors, and BT is a dozen additions.
// Tiles past the last repeat it; channels past the last are 0.

alias elem = f32;

override N: u32; override CT: u32; override H: u32; override W: u32;
override C: u32; override C0: u32; override CP: u32; override TB: u32;
override DOWN: u32; override ACROSS: u32;
override PH: u32; override PW: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> at: array<u32>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4<elem>>;

/// Six neighbours, of four tiles each.
struct Six { a: vec4f, b: vec4f, c: vec4f, d: vec4f, e: vec4f, f: vec4f }

fn load(first: vec4u, rows: vec4<bool>, q: vec4u) -> Six {
  return Six(
    four(first, rows & (q < vec4u(W))),
    four(first + 1u, rows & (q + 1u < vec4u(W))),
    four(first + 2u, rows & (q + 2u < vec4u(W))),
    four(first + 3u, rows & (q + 3u < vec4u(W))),
    four(first + 4u, rows & (q + 4u < vec4u(W))),
    four(first + 5u, rows & (q + 5u < vec4u(W))),
  );
}

fn four(places: vec4u, inside: vec4<bool>) -> vec4f {
  return select(vec4f(), vec4f(f32(x[places.x]), f32(x[places.y]), f32(x[places.z]), f32(x[places.w])), inside);
}

/// BT times six neighbours.
fn spread(d: Six) -> Six {
  let even = d.e - 4.0 * d.c;
  let odd = d.d - 4.0 * d.b;
  let near = d.e - d.c;
  let far = 2.0 * (d.d - d.b);
  return Six(4.0 * d.a - 5.0 * d.c + d.e, even + odd, even - odd, near + far, near - far, 4.0 * d.b - 5.0 * d.d + d.f);
}

fn put(column: Six, first: u32) {
  let v6 = spread(column);
  let step = 6u * TB * CP * 4u;
  v[first] = vec4<elem>(v6.a);
  v[first + step] = vec4<elem>(v6.b);
  v[first + 2u * step] = vec4<elem>(v6.c);
  v[first + 3u * step] = vec4<elem>(v6.d);
  v[first + 4u * step] = vec4<elem>(v6.e);
  v[first + 5u * step] = vec4<elem>(v6.f);
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let item = (wid.y * nwg.x + wid.x) * GX + lane;
  if (item >= TB * CP * 4u) { return; }
  let quad = item % (TB * 4u);  // four tiles
  let c = item / (TB * 4u);
  let tile = min(at[0] + quad * 4u + vec4u(0u, 1u, 2u, 3u), vec4u(N * DOWN * ACROSS - 1u));
  let n = tile / (DOWN * ACROSS);
  // Before the first row, and in channels past the last, a huge number.
  let p = select(tile / ACROSS % DOWN * 4u - PH, vec4u(0x7fffffffu), c >= C);
  let q = tile % ACROSS * 4u - PW;
  let corner = ((n * CT + C0 + c) * H + p) * W + q;
  let r0 = spread(load(corner, p < vec4u(H), q));
  let r1 = spread(load(corner + W, p + 1u < vec4u(H), q));
  let r2 = spread(load(corner + 2u * W, p + 2u < vec4u(H), q));
  let r3 = spread(load(corner + 3u * W, p + 3u < vec4u(H), q));
  let r4 = spread(load(corner + 4u * W, p + 4u < vec4u(H), q));
  let r5 = spread(load(corner + 5u * W, p + 5u < vec4u(H), q));
  let first = ((quad / 4u) * CP + c) * 4u + quad % 4u;
  let step = TB * CP * 4u;
  put(Six(r0.a, r1.a, r2.a, r3.a, r4.a, r5.a), first);
  put(Six(r0.b, r1.b, r2.b, r3.b, r4.b, r5.b), first + step);
  put(Six(r0.c, r1.c, r2.c, r3.c, r4.c, r5.c), first + 2u * step);
  put(Six(r0.d, r1.d, r2.d, r3.d, r4.d, r5.d), first + 3u * step);
  put(Six(r0.e, r1.e, r2.e, r3.e, r4.e, r5.e), first + 4u * step);
  put(Six(r0.f, r1.f, r2.f, r3.f, r4.f, r5.f), first + 5u * step);
}
