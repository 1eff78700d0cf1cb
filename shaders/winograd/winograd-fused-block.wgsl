// winogradFused (block): a 3 x 3 convolution of stride 1 by F(2 x 2, 3 x 3) in one dispatch, with bias, activation and 2 x 2 pooling.
//
//   x [N, C, H, W], u [16, KB, CP, 16], b [K]   ->   y [N, KT, OP, OQ], channels K0 .. K0 + K
//
//   y[n, K0 + k, 2 ty + i, 2 tx + j] = act(b[k] + sum over r, s of AT[i, r] AT[j, s] m[4 r + s]),   m[a] = sum over c of u[a, k / 16, c, k % 16] v[a, c],
//   v[4 i + j, c] = sum over r, s of BT[i, r] BT[j, s] x[n, c, 2 ty - PH + r, 2 tx - PW + s]
//   With POOL, y [N, KT, P / 2, Q / 2]: the largest of the four.
//
// For GPUs: a workgroup of 256 invocations makes 32 filters x 32 tiles (of all images, row by row), all 16 places of them. Channels come in slices of
// four: half of the invocations load a tile's 4 x 4 pixels of one channel each, neighbours on neighbouring tiles, and transform them in registers, the
// other half load filters, 256 bytes in a row; 16 KiB of workgroup memory hold both. An invocation makes a place of 16 filters x 4 tiles: 64 sums, fed a
// channel by 4 vectors and 4 numbers. While a slice is multiplied, the next is on its way into registers. In that memory filters of neighbouring packs and
// places are turned by a vector each, tiles of odd places by eight, so that what a subgroup reads at once meets no bank twice. Transformed back, 4 filters
// of 32 tiles at a time pass through it from the invocations that have a place of them to those that need all 16.
// Summed in the order c.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override KB: u32; override CP: u32; override K0: u32; override KT: u32;
override P: u32; override Q: u32; override OP: u32; override OQ: u32;
override DOWN: u32; override ACROSS: u32;
override PH: u32; override PW: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override POOL: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> u: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

var<workgroup> left: array<vec4f, 512>;  // [16 places][2 packs][4 channels][16 filters]; at the end [16 places][32 tiles], vectors of 4 filters
var<workgroup> right: array<f32, 2048>;  // [16 places][4 channels][32 tiles]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (N * DOWN * ACROSS + 31u) / 32u;
  let pack = group / blocks * 2u;
  let tile = group % blocks * 32u + lane % 32u;

  // What it brings of each slice: a patch of channel lane / 32, or 4 vectors of filters.
  let brings = lane < 128u;
  let c = lane / 32u % 4u;
  let patch_at = corner(tile, c);
  let w = lane % 128u / 16u;
  let filters_at = ((w / 2u) * KB + min(pack + w % 2u, KB - 1u)) * CP * 4u + lane % 16u;
  let slot = lane % 32u;

  // What it makes: filters of pack i, tiles j, j + 8, ... of a place.
  let place = lane / 16u;
  let i = lane / 8u % 2u;
  let j = lane % 8u;
  let twist = place % 2u * 2u + i;
  let l = place * 32u + i * 16u;
  let l0 = l + twist;
  let l1 = l + (twist ^ 1u);
  let l2 = l + (twist ^ 2u);
  let l3 = l + (twist ^ 3u);
  let odd = place % 2u * 8u;
  let r0 = place * 128u + j + odd;
  let r1 = place * 128u + j + 8u - odd;

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();  // filters 0 .. 3 of tiles j, j + 8, ...
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f();  // filters 4 .. 7
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f();
  // One turn more than there are slices: each loads a slice, multiplies the one before, and puts what it loaded in its place.
  for (var at = 0u; at <= CP; at += 4u) {
    var next: mat4x4f;
    if (brings) { next = patch_of(ahead(patch_at, at), at + c); } else { next = filters_of(filters_at + at * 4u); }
    if (at > 0u) {
      for (var d = 0u; d < 4u; d++) {
        let f0 = left[l0 + d * 4u];
        let f1 = left[l1 + d * 4u];
        let f2 = left[l2 + d * 4u];
        let f3 = left[l3 + d * 4u];
        let v0 = vec4f(right[r0 + d * 32u]);
        let v1 = vec4f(right[r1 + d * 32u]);
        let v2 = vec4f(right[r0 + d * 32u + 16u]);
        let v3 = vec4f(right[r1 + d * 32u + 16u]);
        a0 = fma(f0, v0, a0); a1 = fma(f0, v1, a1); a2 = fma(f0, v2, a2); a3 = fma(f0, v3, a3);
        b0 = fma(f1, v0, b0); b1 = fma(f1, v1, b1); b2 = fma(f1, v2, b2); b3 = fma(f1, v3, b3);
        c0 = fma(f2, v0, c0); c1 = fma(f2, v1, c1); c2 = fma(f2, v2, c2); c3 = fma(f2, v3, c3);
        d0 = fma(f3, v0, d0); d1 = fma(f3, v1, d1); d2 = fma(f3, v2, d2); d3 = fma(f3, v3, d3);
      }
    }
    workgroupBarrier();
    if (brings) {
      let v = forth(next);
      let to = c * 32u + slot;
      let across = c * 32u + (slot ^ 8u);  // places of odd number
      right[to] = v[0].x; right[across + 128u] = v[0].y; right[to + 256u] = v[0].z; right[across + 384u] = v[0].w;
      right[to + 512u] = v[1].x; right[across + 640u] = v[1].y; right[to + 768u] = v[1].z; right[across + 896u] = v[1].w;
      right[to + 1024u] = v[2].x; right[across + 1152u] = v[2].y; right[to + 1280u] = v[2].z; right[across + 1408u] = v[2].w;
      right[to + 1536u] = v[3].x; right[across + 1664u] = v[3].y; right[to + 1792u] = v[3].z; right[across + 1920u] = v[3].w;
    } else {
      let to = w * 16u + ((lane % 16u) ^ (w % 4u));
      left[to] = next[0];
      left[to + 128u] = next[1];
      left[to + 256u] = next[2];
      left[to + 384u] = next[3];
    }
    workgroupBarrier();
  }

  // In each turn the invocations that have pack e % 2 hand four of its filters to 32 others, which write the pixels.
  let start = place * 32u + j;
  for (var e = 0u; e < 8u; e++) {
    if (i == e % 2u) {
      left[start] = a0;
      left[start + 8u] = a1;
      left[start + 16u] = a2;
      left[start + 24u] = a3;
    }
    workgroupBarrier();
    if (lane / 32u == e) { back(lane % 32u, (pack + e % 2u) * 16u + e / 2u * 4u, tile); }
    workgroupBarrier();
    if (e % 2u == 1u) {
      a0 = b0; a1 = b1; a2 = b2; a3 = b3;
      b0 = c0; b1 = c1; b2 = c2; b3 = c3;
      c0 = d0; c1 = d1; c2 = d2; c3 = d3;
    }
  }
}

/// Pixels of filters k .. k + 3 of a tile: AT m A, the four filters side by side.
fn back(t: u32, k: u32, tile: u32) {
  let s0 = column(t);
  let s1 = column(t + 32u);
  let s2 = column(t + 64u);
  let s3 = column(t + 96u);
  let p0 = s0 + s1 + s2;
  let p1 = s1 - s2 - s3;
  if (tile >= N * DOWN * ACROSS) { return; }
  put(k, tile, vec4f(p0[0].x, p1[0].x, p0[1].x, p1[1].x));
  put(k + 1u, tile, vec4f(p0[0].y, p1[0].y, p0[1].y, p1[1].y));
  put(k + 2u, tile, vec4f(p0[0].z, p1[0].z, p0[1].z, p1[1].z));
  put(k + 3u, tile, vec4f(p0[0].w, p1[0].w, p0[1].w, p1[1].w));
}

/// A column of places as its two rows of pixels: AT m.
fn column(at: u32) -> mat2x4f {
  let m1 = left[at + 128u];
  let m2 = left[at + 256u];
  return mat2x4f(left[at] + m1 + m2, m1 - m2 - left[at + 384u]);
}

/// Writes a filter's four pixels of a tile.
fn put(k: u32, tile: u32, sums: vec4f) {
  if (k >= K) { return; }
  var pixels = sums;
  if (HAS_B == 1u) { pixels += f32(b[k]); }
  if (ACT == 1u) { pixels = select(pixels, vec4f(), pixels < vec4f()); }
  let plane = (tile / (DOWN * ACROSS) * KT + K0 + k) * OP;
  let ty = tile / ACROSS % DOWN;
  let tx = tile % ACROSS;
  if (POOL == 1u) {
    y[(plane + ty) * OQ + tx] = elem(larger(larger(pixels.x, pixels.y), larger(pixels.z, pixels.w)));
    return;
  }
  let to = (plane + 2u * ty) * OQ + 2u * tx;
  let right_too = 2u * tx + 1u < Q;
  y[to] = elem(pixels.x);
  if (right_too) { y[to + 1u] = elem(pixels.y); }
  if (2u * ty + 1u >= P) { return; }
  y[to + OQ] = elem(pixels.z);
  if (right_too) { y[to + OQ + 1u] = elem(pixels.w); }
}

/// Where a tile's patch of a channel begins: row and column (before the first they wrap to huge numbers), and its image's place.
struct Corner { h: u32, v: u32, plane: u32 }

fn corner(tile: u32, c: u32) -> Corner {
  let h = select(0x80000000u, tile / ACROSS % DOWN * 2u - PH, tile < N * DOWN * ACROSS);  // nothing is inside for tiles past the end
  return Corner(h, tile % ACROSS * 2u - PW, (tile / (DOWN * ACROSS) * C + c) * H);
}

/// The same some channels on.
fn ahead(at: Corner, channels: u32) -> Corner { return Corner(at.h, at.v, at.plane + channels * H); }

/// The rows of 4 x 4 pixels; 0 outside, and past the last channel.
fn patch_of(at: Corner, c: u32) -> mat4x4f { return mat4x4f(row_of(at, 0u, c), row_of(at, 1u, c), row_of(at, 2u, c), row_of(at, 3u, c)); }

fn row_of(at: Corner, r: u32, c: u32) -> vec4f {
  let inside = (at.h + r < H) & (c < C);
  let first = (at.plane + at.h + r) * W + at.v;
  return vec4f(
    select(0.0, f32(x[first]), inside & (at.v < W)),
    select(0.0, f32(x[first + 1u]), inside & (at.v + 1u < W)),
    select(0.0, f32(x[first + 2u]), inside & (at.v + 2u < W)),
    select(0.0, f32(x[first + 3u]), inside & (at.v + 3u < W)),
  );
}

/// Vectors of filters at four places in eight: what is past the last channel is not used.
fn filters_of(first: u32) -> mat4x4f {
  let step = KB * CP * 16u;  // four places
  return mat4x4f(vec4f(u[first]), vec4f(u[first + step]), vec4f(u[first + 2u * step]), vec4f(u[first + 3u * step]));
}

// shared: forth
/// BT d B of a patch, rows of four.
fn forth(d: mat4x4f) -> mat4x4f {
  let rows = mat4x4f(d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]);
  return mat4x4f(along(rows[0]), along(rows[1]), along(rows[2]), along(rows[3]));
}

fn along(r: vec4f) -> vec4f { return vec4f(r.x - r.z, r.y + r.z, r.z - r.y, r.y - r.w); }
// end

// shared: larger
/// The larger of two, where NaN is larger than any number. Comparisons with NaN may be optimised away; its bits may not.
fn larger(a: f32, b: f32) -> f32 { return select(a, b, b > a || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u); }
// end
