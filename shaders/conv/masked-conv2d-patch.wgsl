// maskedConv2d (patch): conv2d of masked copies of an image, which are made as they are loaded and never written; for few channels.
//
//   x [I, C, H, W], w [K, C, R, S], b [K], canvas [I, C, H, W], field, labels, at   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] masked[n, c, p SH - PH + r DH, q SW - PW + s DW])
//   masked[n, c, h, v] = x[image, c, h, v] mask[h, v] + canvas[image, c, h, v] (1 - mask[h, v]),   mask number first + n of the image
//   field: maps [F, FH, FW] to enlarge, switches of segments [F, 1, FW], or rectangles [F, 1, 4] (top, left, bottom, right; 0 inside)
//   labels [I H W]: the segment of each pixel of each image
//   at [5]: image, first mask, then for RISE the seed of the grids, that of the shifts, and the largest hash that sets a cell to 1
//
// For GPUs and layers that read pictures, with few channels: a workgroup of 128 invocations makes FILTERS filters (64, 32 or 16) x 16 columns of
// 256 / FILTERS rows of pixels, an invocation 8 filters x 4 pixels. A channel of the patch of a masked copy that these pixels meet lies in workgroup memory, so it is made once and its mask once for all channels,
// however many taps meet it; BAND rows of the filters lie beside it, as vec4s of four filters. 2 vec4s and 4 numbers from there feed 32 multiply-adds.
// Neighbours read neighbouring pixels, and write such. Filters' vec4s lie one apart more than there are, so that neighbours store into other banks.
// Summed in the order c, r, s.

alias elem = f32;

override C: u32; override H: u32; override W: u32;
override K: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_CANVAS: u32;
override ACT: u32;  // 0 none, 1 relu
override SOURCE: u32;  // of the masks: MAPS, RISE, SWITCHES or rectangles
override ROWS: u32;
override FH: u32; override FW: u32; override GRID: u32; override CP: u32; override CQ: u32;
const MAPS = 0u; const RISE = 1u; const SWITCHES = 2u;
override FILTERS = 64u;  // 64, 32 or 16
override BAND = 1u;      // of a filter at once
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> canvas: array<elem>;
@group(0) @binding(4) var<storage, read> field: array<elem>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read> at: array<u32>;
@group(0) @binding(7) var<storage, read_write> y: array<elem>;

override PITCH = FILTERS / 4u + 1u;
var<workgroup> pixels: array<f32, ((256u / FILTERS - 1u) * SH + (R - 1u) * DH + 1u) * (15u * SW + (S - 1u) * DW + 1u)>;
var<workgroup> shares: array<f32, ((256u / FILTERS - 1u) * SH + (R - 1u) * DH + 1u) * (15u * SW + (S - 1u) * DW + 1u)>;
var<workgroup> taps: array<vec4f, BAND * S * PITCH>;  // [BAND][S][FILTERS / 4, 1 unused]

/// Channel c of masked copy n at pixel (h, v), of which place u of `shares` keeps the mask, from the first channel on.
fn element(n: u32, c: u32, h: u32, v: u32, u: u32) -> f32 {
  if (c == 0u) { shares[u] = maskAt(at[1] + n, h, v); }
  let share = shares[u];
  let i = ((at[0] * C + c) * H + h) * W + v;
  let own = f32(x[i]) * share;
  if (HAS_CANVAS == 0u) { return own; }
  return own + f32(canvas[i]) * (1.0 - share);
}

// shared: patches
@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let tall = 256u / FILTERS;  // rows of pixels
  let high = (tall - 1u) * SH + (R - 1u) * DH + 1u;  // rows and columns of x that they meet
  let wide = 15u * SW + (S - 1u) * DW + 1u;
  let blocks = (K + FILTERS - 1u) / FILTERS;
  let down = (P + tall - 1u) / tall;
  let across = (Q + 15u) / 16u;
  let k = group % blocks * FILTERS;
  let p = group / blocks / across % down * tall;
  let q = group / blocks % across * 16u;
  let n = group / blocks / (across * down);
  let top = p * SH - PH;  // before the first row wraps to a huge number
  let left = q * SW - PW;

  // What it makes: 8 filters of 4 pixels below each other.
  let team = lane / (4u * tall);
  let row = lane % (4u * tall) / 16u * 4u;
  let column = lane % 16u;
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f();
  for (var c = 0u; c < C; c++) {
    workgroupBarrier();
    for (var u = lane; u < high * wide; u += 128u) {
      let h = top + u / wide;
      let v = left + u % wide;
      var value = 0.0;
      if (h < H && v < W) { value = element(n, c, h, v, u); }
      pixels[u] = value;
    }
    for (var first = 0u; first < R; first += BAND) {
      if (first > 0u) { workgroupBarrier(); }
      for (var u = lane; u < BAND * S * FILTERS / 4u; u += 128u) {
        taps[u % (BAND * S) * PITCH + u / (BAND * S)] = four(k + u / (BAND * S) * 4u, c, first * S + u % (BAND * S));
      }
      workgroupBarrier();
      for (var r = 0u; r < min(BAND, R - first); r++) {
        for (var s = 0u; s < S; s++) {
          let t = (r * S + s) * PITCH + 2u * team;
          let i = (row * SH + (first + r) * DH) * wide + column * SW + s * DW;
          let f = taps[t];
          let g = taps[t + 1u];
          let v = vec4f(pixels[i], pixels[i + SH * wide], pixels[i + 2u * SH * wide], pixels[i + 3u * SH * wide]);
          a0 = fma(f, v.xxxx, a0); b0 = fma(g, v.xxxx, b0);
          a1 = fma(f, v.yyyy, a1); b1 = fma(g, v.yyyy, b1);
          a2 = fma(f, v.zzzz, a2); b2 = fma(g, v.zzzz, b2);
          a3 = fma(f, v.wwww, a3); b3 = fma(g, v.wwww, b3);
        }
      }
    }
  }

  if (q + column >= Q) { return; }
  put(n, k + 8u * team, p + row, q + column, a0, b0);
  put(n, k + 8u * team, p + row + 1u, q + column, a1, b1);
  put(n, k + 8u * team, p + row + 2u, q + column, a2, b2);
  put(n, k + 8u * team, p + row + 3u, q + column, a3, b3);
}

/// Tap t of channel c of four filters from k; zeros past the last.
fn four(k: u32, c: u32, t: u32) -> vec4f {
  return vec4f(weight(k, c, t), weight(k + 1u, c, t), weight(k + 2u, c, t), weight(k + 3u, c, t));
}

fn weight(k: u32, c: u32, t: u32) -> f32 {
  return select(0.0, f32(w[(min(k, K - 1u) * C + c) * R * S + min(t, R * S - 1u)]), (k < K) & (t < R * S));
}

/// Writes eight filters from k at a pixel of image n.
fn put(n: u32, k: u32, p: u32, q: u32, a: vec4f, b: vec4f) {
  if (p >= P) { return; }
  for (var e = 0u; e < 4u; e++) {
    put_one(n, k + e, p * Q + q, a[e]);
    put_one(n, k + 4u + e, p * Q + q, b[e]);
  }
}

fn put_one(n: u32, k: u32, pixel: u32, sum: f32) {
  if (k >= K) { return; }
  var v = sum;
  if (HAS_B == 1u) { v += f32(b[k]); }
  if (ACT == 1u && v < 0.0) { v = 0.0; }
  y[(n * KT + K0 + k) * P * Q + pixel] = elem(v);
}
// end

// shared: maskAt
// Mask `m` of image at[0] at pixel (h, v).
fn maskAt(m: u32, h: u32, v: u32) -> f32 {
  if (SOURCE == MAPS) { return mapAt((at[0] * ROWS + m) * FH * FW, h, v); }
  if (SOURCE == RISE) { return riseAt(m, h, v); }
  if (SOURCE == SWITCHES) { return f32(field[(at[0] * ROWS + m) * FW + labels[(at[0] * H + h) * W + v]]); }
  let r = (at[0] * ROWS + m) * 4u;  // top, left, bottom, right
  let inside = (f32(h) >= f32(field[r])) & (f32(v) >= f32(field[r + 1u])) & (f32(h) < f32(field[r + 2u])) & (f32(v) < f32(field[r + 3u]));
  return select(1.0, 0.0, inside);
}

// Pixel (h, v) of a map that begins at `first`, enlarged from FH x FW to H x W.
fn mapAt(first: u32, h: u32, v: u32) -> f32 {
  if (FH == H && FW == W) { return f32(field[first + h * W + v]); }
  let down = clamp((f32(h) + 0.5) * f32(FH) / f32(H) - 0.5, 0.0, f32(FH - 1u));
  let along = clamp((f32(v) + 0.5) * f32(FW) / f32(W) - 0.5, 0.0, f32(FW - 1u));
  let top = first + u32(down) * FW;
  let bottom = first + min(u32(down) + 1u, FH - 1u) * FW;
  let left = u32(along);
  let right = min(left + 1u, FW - 1u);
  let t = along - f32(left);
  let above = between(f32(field[top + left]), f32(field[top + right]), t);
  let below = between(f32(field[bottom + left]), f32(field[bottom + right]), t);
  return between(above, below, down - floor(down));
}

// Pixel (h, v) of RISE's mask number `mask`: a grid of 0 and 1, enlarged, shifted by less than a cell.
fn riseAt(mask: u32, h: u32, v: u32) -> f32 {
  let row = tap(h + shiftOf(mix32(2u * mask + at[3]), CP), CP);
  let column = tap(v + shiftOf(mix32(2u * mask + 1u + at[3]), CQ), CQ);
  let top = (1.0 - column.t) * cellAt(mask, row.low, column.low) + column.t * cellAt(mask, row.low, column.high);
  let bottom = (1.0 - column.t) * cellAt(mask, row.high, column.low) + column.t * cellAt(mask, row.high, column.high);
  return (1.0 - row.t) * top + row.t * bottom;
}

// floor(hash / 2^32 cell) for a cell of less than 2^16.
fn shiftOf(hash: u32, cell: u32) -> u32 { return ((hash >> 16u) * cell + (((hash & 0xffffu) * cell) >> 16u)) >> 16u; }

// What element o of an enlarged grid looks at: cells `low`, `high` and the weight t of `high`. Cells outside are mirrored.
struct Tap { low: u32, high: u32, t: f32 }

fn tap(o: u32, cell: u32) -> Tap {
  let size = (GRID + 1u) * cell;
  let place = (2u * o + 1u) * GRID + size;  // in 1 / (2 size) cells, from one cell before the first
  let low = place / (2u * size);
  let edge = GRID - 1u;
  return Tap(
    select(low - 1u, min(1u, edge), low == 0u),
    select(low, max(edge, 1u) - 1u, low == GRID),
    f32(place % (2u * size)) / f32(2u * size),
  );
}

fn cellAt(mask: u32, row: u32, column: u32) -> f32 {
  return select(0.0, 1.0, mix32((mask * GRID + row) * GRID + column + at[2]) <= at[4]);
}
// end

// shared: mix32
fn mix32(value: u32) -> u32 {
  var h = value;
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  return h ^ (h >> 16u);
}
// end

// shared: between
// The point at share t from a to b; exactly a where they are equal, so that a flat map stays flat.
fn between(a: f32, b: f32, t: f32) -> f32 { return a + t * (b - a); }
// end
