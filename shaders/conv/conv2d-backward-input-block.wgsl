// conv2dBackwardInput (block): gradient of conv2d with respect to its input.
//
//   dy [N, KT, P, Q] channels K0 .. K0 + K, w [K, CG, R, S]   ->   dx [N, C, H, W]
//
//   dx[n, g CG + c, h, v] = sum over k of group g, and over r, s, of w[k, c, r, s] dy[n, K0 + k, p, q]
//   where p SH = h + PH - r DH and q SW = v + PW - s DW      (+ what dx held, if ACCUMULATE)
//
// Implicit matrix product for GPUs: a workgroup of 128 invocations makes 64 input channels x 64 input pixels (of all images), an invocation 8 x 4 of
// them. Slices 16 taps deep of both factors pass through workgroup memory (8 KiB), as vec4s of four taps; an invocation brings the same taps of a
// channel and of a pixel, with neighbours on neighbouring ones. 12 vec4s from that memory feed 128 multiply-adds. While a slice is multiplied, the
// next is on its way into registers. What a pixel's place costs to compute is paid once, taps are counted on instead of divided for. An invocation's rows and
// columns stand 8 and 16 apart, so that neighbours meet no bank twice. With a stride, taps that meet no output count as zeros.
// Summed in the order k, r, s.

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

var<workgroup> left: array<vec4f, 256>;   // [4 fours of taps][64 channels]
var<workgroup> right: array<vec4f, 256>;  // [4 fours of taps][64 pixels]

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (N * H * W + 63u) / 64u;
  let per = K / GROUPED;
  let tiles = (CG + 63u) / 64u;
  let part = group / blocks / tiles;
  let row = group / blocks % tiles * 64u;  // of the group's channels
  let column = group % blocks * 64u;

  // What it brings of each slice: twice four taps of a channel and of a pixel. Channels past the end repeat the last.
  let c0 = min(row + lane % 64u, CG - 1u);
  let to = lane;
  let at = place(column + lane % 64u, part);
  let first = lane / 64u * 4u;
  var t = Tap(first / (R * S), first / S % R, first % S);
  // What it makes: channels row + i, 8 on, ... of pixels column + j, 16 on, ...
  let i = lane / 16u;
  let j = lane % 16u;
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var left0 = weights(c0, t, part * per);
  var right0 = gradients(at, t);
  t = ahead(t, 8u);
  var left1 = weights(c0, t, part * per);
  var right1 = gradients(at, t);
  for (var s = 0u; s < per * R * S; s += 16u) {
    left[to] = left0;
    left[to + 128u] = left1;
    right[lane] = right0;
    right[lane + 128u] = right1;
    workgroupBarrier();
    t = ahead(t, 8u);
    left0 = weights(c0, t, part * per);
    right0 = gradients(at, t);
    t = ahead(t, 8u);
    left1 = weights(c0, t, part * per);
    right1 = gradients(at, t);
    for (var d = 0u; d < 4u; d++) {
      let l = d * 64u + i;
      let r = d * 64u + j;
      let v = transpose(mat4x4f(right[r], right[r + 16u], right[r + 32u], right[r + 48u]));
      a0 = add_taps(a0, left[l], v); a1 = add_taps(a1, left[l + 8u], v);
      a2 = add_taps(a2, left[l + 16u], v); a3 = add_taps(a3, left[l + 24u], v);
      a4 = add_taps(a4, left[l + 32u], v); a5 = add_taps(a5, left[l + 40u], v);
      a6 = add_taps(a6, left[l + 48u], v); a7 = add_taps(a7, left[l + 56u], v);
    }
    workgroupBarrier();
  }

  let sums = array<vec4f, 8>(a0, a1, a2, a3, a4, a5, a6, a7);
  for (var e = 0u; e < 32u; e++) {
    put(row + i + e / 4u * 8u, part * CG, column + j + e % 4u * 16u, sums[e / 4u][e % 4u]);
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
