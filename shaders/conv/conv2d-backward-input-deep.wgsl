// conv2dBackwardInput (deep): gradient of conv2d with respect to its input, for few pixels and many filters.
//
//   dy [N, KT, P, Q] channels K0 .. K0 + K, w [K, CG, R, S]   ->   dx [N, C, H, W]
//
//   dx[n, g CG + c, h, v] = sum over k of group g, and over r, s, of w[k, c, r, s] dy[n, K0 + k, p, q]
//   where p SH = h + PH - r DH and q SW = v + PW - s DW      (+ what dx held, if ACCUMULATE)
//
// For GPUs, which conv2dBackwardInput (block) leaves idle where there are few of its tiles, as conv2d (deep): a workgroup makes 16 channels x 16 pixels (of
// all images), sixteen times as many of them, and its 256 invocations are 16 teams that share out the taps: of each 64, a team takes four. An invocation
// keeps 4 x 4 sums, and brings the same four taps of a channel and of a pixel. Slices pass through workgroup memory (8 KiB), and the next is on its
// way into registers meanwhile. In the end the teams' sums are added there, the upper half to the lower again and again: the order of summation is fixed.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

const RIGHT = 256u;
/// Channels as [16 fours of taps][16 channels], from RIGHT pixels as [16 fours of taps][16 pixels]; in the end sums.
var<workgroup> slice: array<vec4f, 512>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (N * H * W + 15u) / 16u;
  let per = K / GROUPED;
  let tiles = (CG + 15u) / 16u;
  let part = group / blocks / tiles;
  let row = group / blocks % tiles * 16u;  // of the group's channels
  let column = group % blocks * 16u;
  let team = lane / 16u;
  let member = lane % 16u;

  // What it brings of each slice. Channels past the end repeat the last.
  let c = min(row + member, CG - 1u);
  let at = place(column + member, part);
  var t = Tap(team * 4u / (R * S), team * 4u / S % R, team * 4u % S);
  // What it makes of its team's taps: channels row + i, 4 on, ... of pixels column + j, 4 on, ...
  let i = member / 4u;
  let j = member % 4u;
  let l = team * 16u + i;
  let r = RIGHT + team * 16u + j;

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var left = weights(c, t, part * per);
  var right = gradients(at, t);
  for (var s = 0u; s < per * R * S; s += 64u) {
    slice[lane] = left;
    slice[RIGHT + lane] = right;
    workgroupBarrier();
    t = ahead(t, 64u);
    left = weights(c, t, part * per);
    right = gradients(at, t);
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
  for (var e = 0u; e < 16u; e++) {
    put(row + i + e / 4u * 4u, part * CG, column + j + e % 4u * 4u, sums[e / 4u][e % 4u]);
  }
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

// shared: gradients
/// Row and column of a pixel with the padding, and where its group's filters begin in dy.
struct Place { h: u32, v: u32, plane: u32 }

fn place(pixel: u32, part: u32) -> Place {
  let h = select(0x80000000u, pixel / W % H + PH, pixel < N * H * W);  // no output is met by pixels past the end
  return Place(h, pixel % W + PW, (pixel / (H * W) * KT + K0 + part * (K / GROUPED)) * P * Q);
}

/// The outputs of which the pixel met four taps; above the first row and left of the first column they wrap to huge numbers.
fn gradients(at: Place, t: Tap) -> vec4f {
  let u = ahead(t, 1u);
  let v = ahead(u, 1u);
  return vec4f(gradient(at, t), gradient(at, u), gradient(at, v), gradient(at, ahead(v, 1u)));
}

fn gradient(at: Place, t: Tap) -> f32 {
  let down = at.h - t.r * DH;
  let across = at.v - t.s * DW;
  let p = down / SH;
  let q = across / SW;
  let meets = (p * SH == down) & (q * SW == across) & (p < P) & (q < Q) & (t.c < K / GROUPED);
  return select(0.0, f32(dy[at.plane + (t.c * P + p) * Q + q]), meets);
}

/// Four taps of channel c, filters counted from `first`; zeros past the last filter.
fn weights(c: u32, t: Tap, first: u32) -> vec4f {
  let u = ahead(t, 1u);
  let v = ahead(u, 1u);
  return vec4f(weight(c, t, first), weight(c, u, first), weight(c, v, first), weight(c, ahead(v, 1u), first));
}

fn weight(c: u32, t: Tap, first: u32) -> f32 {
  return select(0.0, f32(w[(((first + t.c) * CG + c) * R + t.r) * S + t.s]), t.c < K / GROUPED);
}
// end

// shared: addTaps
/// Adds four taps f times what four pixels have there.
fn add_taps(sum: vec4f, f: vec4f, v: mat4x4f) -> vec4f {
  return fma(f.wwww, v[3], fma(f.zzzz, v[2], fma(f.yyyy, v[1], fma(f.xxxx, v[0], sum))));
}
// end

// shared: putInput
/// Writes the gradient of channel c of the group that begins with channel `first` at a pixel, numbered through all images.
fn put(c: u32, first: u32, pixel: u32, sum: f32) {
  if ((c >= CG) | (pixel >= N * H * W)) { return; }
  let at = (pixel / (H * W) * C + first + c) * H * W + pixel % (H * W);
  var v = sum;
  if (ACCUMULATE == 1u) { v += f32(dx[at]); }
  dx[at] = elem(v);
}
// end
