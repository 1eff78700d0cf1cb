// conv2d (deep): cross-correlation with zero padding, any stride, dilation and groups, for few pixels and many channels.
//
//   x [N, C, H, W], w [K, CG, R, S], b [K]   ->   y [N, KT, OP, OQ], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] x[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW])
//   With POOL, y [N, KT, P / 2, Q / 2]: the largest of each 2 x 2.
//
// For GPUs, which conv2d (block) leaves idle where there are few of its tiles: a workgroup makes 16 filters x 16 pixels (of all images), sixteen times
// as many of them, and its 256 invocations are 16 teams that share out the taps: of each 64, a team takes four. An invocation keeps 4 x 4 sums. Slices
// pass through workgroup memory (8 KiB) as vec4s of four taps (CG R S divides by 4), and the next is on its way into registers meanwhile.
// In the end the teams' sums are added there, the upper half to the lower again and again: the order of summation is fixed.
// Expected to win where tiles of 64 x 64 are fewer than a GPU has cores: w is read by more of them at once.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override OP: u32; override OQ: u32;
override K0: u32; override KT: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override POOL: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

const NEXT = 4u;
const RIGHT = 272u;
/// Filters as [16 fours of taps][16 filters, 1 unused], from RIGHT pixels as [16 fours of taps][16 pixels]; in the end sums.
var<workgroup> slice: array<vec4f, 528>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (N * P * Q + 15u) / 16u;
  let per = K / GROUPED;
  let tiles = (per + 15u) / 16u;
  let part = group / blocks / tiles;
  let end = (part + 1u) * per;
  let k = part * per + group / blocks % tiles * 16u;
  let column = group % blocks * 16u;
  let team = lane / 16u;
  let member = lane % 16u;

  // What it brings of each slice: four taps of filter k + team, four of pixel column + member.
  let f = min(k + team, end - 1u) * (CG * R * S / 4u);
  let at = place(column + member, part);
  var t = Tap(team * 4u / (R * S), team * 4u / S % R, team * 4u % S);
  // What it makes of its team's taps: filters k + i, 4 on, ... of pixels column + j, 4 on, ...
  let i = member / 4u;
  let j = member % 4u;
  let l = team * 17u + i;
  let r = RIGHT + team * 16u + j;

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var left = weight(f, member);
  var right = inputs(at, t);
  for (var s = 0u; s < CG * R * S / 4u; s += 16u) {
    slice[member * 17u + team] = left;
    slice[RIGHT + lane] = right;
    workgroupBarrier();
    left = weight(f, s + 16u + member);
    t = ahead(t, 64u);
    right = inputs(at, t);
    let v = transpose(mat4x4f(slice[r], slice[r + 4u], slice[r + 8u], slice[r + 12u]));
    a0 = add_taps(a0, slice[l], v);
    a1 = add_taps(a1, slice[l + 4u], v);
    a2 = add_taps(a2, slice[l + 8u], v);
    a3 = add_taps(a3, slice[l + 12u], v);
    workgroupBarrier();
  }

  for (var step = 8u; step > 0u; step /= 2u) {
    let to = lane % (step * 16u);
    if (team >= step && team < 2u * step) {
      slice[to] = a0; slice[to + 128u] = a1; slice[to + 256u] = a2; slice[to + 384u] = a3;
    }
    workgroupBarrier();
    if (team < step) {
      a0 += slice[to]; a1 += slice[to + 128u]; a2 += slice[to + 256u]; a3 += slice[to + 384u];
    }
    workgroupBarrier();
  }
  if (team > 0u) { return; }
  let sums = array<vec4f, 4>(a0, a1, a2, a3);
  for (var e = 0u; e < 4u; e++) { put(k + i + e * 4u, end, column + j, sums[e]); }
}

/// Vec4 t of the filter that begins at `first`; zeros past its end.
fn weight(first: u32, t: u32) -> vec4f {
  return select(vec4f(), vec4f(w[first + min(t, CG * R * S / 4u - 1u)]), t < CG * R * S / 4u);
}

// shared: ahead
/// A channel and a place in the filter.
struct Tap { c: u32, r: u32, s: u32 }

/// The tap that comes n later, in the order c, r, s: n is a constant, and nothing is divided.
fn ahead(t: Tap, n: u32) -> Tap {
  var s = t.s + n % S;
  var r = t.r + n / S % R + select(0u, 1u, s >= S);
  s -= select(0u, S, s >= S);
  let c = t.c + n / (R * S) + select(0u, 1u, r >= R);
  r -= select(0u, R, r >= R);
  return Tap(c, r, s);
}
// end

// shared: inputs
/// Image, row and column of a pixel by its number. With POOL the four that an invocation has, NEXT apart, are a window.
fn pixel_at(number: u32) -> vec3u {
  if (POOL == 0u) { return vec3u(number / (P * Q), number / Q % P, number % Q); }
  let window = number / (4u * NEXT) * NEXT + number % NEXT;
  let e = number / NEXT % 4u;
  return vec3u(window / (OP * OQ), window / OQ % OP * 2u + e / 2u, window % OQ * 2u + e % 2u);
}

/// Where a pixel's first tap lies: row and column (before the first they wrap to huge numbers), and where its group's channels begin.
struct Place { h: u32, v: u32, plane: u32 }

fn place(number: u32, part: u32) -> Place {
  let pixel = pixel_at(number);
  let h = select(0x80000000u, pixel.y * SH - PH, pixel.x < N);  // nothing is inside for pixels past the end
  return Place(h, pixel.z * SW - PW, (pixel.x * C + part * CG) * H * W);
}

/// What four taps of a filter meet.
fn inputs(at: Place, t: Tap) -> vec4f {
  let u = ahead(t, 1u);
  let v = ahead(u, 1u);
  return vec4f(input(at, t), input(at, u), input(at, v), input(at, ahead(v, 1u)));
}

fn input(at: Place, t: Tap) -> f32 {
  let h = at.h + t.r * DH;
  let v = at.v + t.s * DW;
  return select(0.0, f32(x[at.plane + (t.c * H + h) * W + v]), (h < H) & (v < W) & (t.c < CG));
}
// end

// shared: addTaps
/// Adds four taps f times what four pixels have there.
fn add_taps(sum: vec4f, f: vec4f, v: mat4x4f) -> vec4f {
  return fma(f.wwww, v[3], fma(f.zzzz, v[2], fma(f.yyyy, v[1], fma(f.xxxx, v[0], sum))));
}
// end

// shared: putPixels
/// Writes a filter's output at four pixels, NEXT apart by their numbers, or the largest of them.
fn put(k: u32, end: u32, number: u32, sums: vec4f) {
  if (k >= end) { return; }
  var v = sums;
  if (HAS_B == 1u) { v += f32(b[k]); }
  if (ACT == 1u) { v = select(v, vec4f(), v < vec4f()); }
  if (POOL == 1u) {
    let pixel = pixel_at(number);
    if (pixel.x < N) {
      y[((pixel.x * KT + K0 + k) * OP + pixel.y / 2u) * OQ + pixel.z / 2u] = elem(larger(larger(v.x, v.y), larger(v.z, v.w)));
    }
    return;
  }
  for (var e = 0u; e < 4u; e++) {
    let pixel = number + e * NEXT;
    if (pixel < N * P * Q) { y[(pixel / (P * Q) * KT + K0 + k) * P * Q + pixel % (P * Q)] = elem(v[e]); }
  }
}
// end

// shared: larger
/// The larger of two, where NaN is larger than any number. Comparisons with NaN may be optimised away; its bits may not.
fn larger(a: f32, b: f32) -> f32 { return select(a, b, b > a || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u); }
// end
