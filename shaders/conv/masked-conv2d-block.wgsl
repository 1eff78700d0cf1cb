// maskedConv2d (block): conv2d of masked copies of an image, which are made as they are loaded and never written.
//
//   x [I, C, H, W], w [K, CG, R, S], b [K], canvas [I, C, H, W], field, labels, at   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] masked[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW])
//   masked[n, c, h, v] = x[image, c, h, v] mask[h, v] + canvas[image, c, h, v] (1 - mask[h, v]),   mask number first + n of the image
//   field: maps [F, FH, FW] to enlarge, switches of segments [F, 1, FW], or rectangles [F, 1, 4] (top, left, bottom, right; 0 inside)
//   labels [I H W]: the segment of each pixel of each image
//   at [5]: image, first mask, then for RISE the seed of the grids, that of the shifts, and the largest hash that sets a cell to 1
//
// Implicit matrix product for GPUs: a workgroup makes 64 channels x 64 pixels (of all images), an invocation 4 x 4 of them; slices 8 deep of both
// factors pass through workgroup memory (4 KiB), read from storage once a workgroup with neighbours on neighbouring addresses.
// A mask is computed once a workgroup and tap, for 64 channels. Loads outside are selected away instead of branched around.
// Summed in the order c, r, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override CG: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_CANVAS: u32;
override ACT: u32;  // 0 none, 1 relu
override SOURCE: u32;  // of the masks: MAPS, RISE, SWITCHES or rectangles
override ROWS: u32;
override FH: u32; override FW: u32; override GRID: u32; override CP: u32; override CQ: u32;
const MAPS = 0u; const RISE = 1u; const SWITCHES = 2u;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> canvas: array<elem>;
@group(0) @binding(4) var<storage, read> field: array<elem>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read> at: array<u32>;
@group(0) @binding(7) var<storage, read_write> y: array<elem>;

const DEPTH = 8u;
const PITCH = 68u;  // what neighbours in depth store at once falls into banks of its own
var<workgroup> left: array<f32, 544>;   // [DEPTH][64 rows, to PITCH]
var<workgroup> right: array<f32, 512>;  // [DEPTH][64 columns]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let pixels = N * P * Q;
  let blocks = (pixels + 63u) / 64u;
  let per = K / GROUPED;
  let tiles = (per + 63u) / 64u;
  let part = group / blocks / tiles;
  let row = group / blocks % tiles * 64u;  // of the group's channels
  let column = group % blocks * 64u;       // of pixels

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  let i = lane / 16u * 4u;  // rows row + i ... row + i + 3
  let j = lane % 16u * 4u;  // columns column + j ... column + j + 3
  for (var t = 0u; t < CG * R * S; t += DEPTH) {
    for (var u = lane; u < 512u; u += 256u) {
      left[u % DEPTH * PITCH + u / DEPTH] = weight(part * per + row + u / DEPTH, t + u % DEPTH, (part + 1u) * per);
      right[u] = input(column + u % 64u, t + u / 64u, part * CG);
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      let l = d * PITCH + i;
      let r = d * 64u + j;
      let v = vec4f(right[r], right[r + 1u], right[r + 2u], right[r + 3u]);
      a0 = fma(vec4f(left[l]), v, a0);
      a1 = fma(vec4f(left[l + 1u]), v, a1);
      a2 = fma(vec4f(left[l + 2u]), v, a2);
      a3 = fma(vec4f(left[l + 3u]), v, a3);
    }
    workgroupBarrier();
  }

  let sums = array<vec4f, 4>(a0, a1, a2, a3);
  for (var e = 0u; e < 16u; e++) {
    put(row + i + e / 4u, column + j + e % 4u, sums[e / 4u][e % 4u], part * per);
  }
}

fn weight(k: u32, t: u32, end: u32) -> f32 {
  return select(0.0, f32(w[k * CG * R * S + t]), (k < end) & (t < CG * R * S));
}

fn input(pixel: u32, t: u32, channel: u32) -> f32 {
  let h = pixel / Q % P * SH + t / S % R * DH - PH;  // before the first row wraps to a huge number
  let v = pixel % Q * SW + t % S * DW - PW;
  let inside = (pixel < N * P * Q) & (t < CG * R * S) & (h < H) & (v < W);
  return select(0.0, pixelAt(pixel / (P * Q), channel + t / (R * S), min(h, H - 1u), min(v, W - 1u)), inside);
}

fn put(row: u32, pixel: u32, sum: f32, first: u32) {
  if ((row >= K / GROUPED) | (pixel >= N * P * Q)) { return; }
  let k = first + row;
  var v = sum;
  if (HAS_B == 1u) { v += f32(b[k]); }
  if (ACT == 1u && v < 0.0) { v = 0.0; }
  y[(pixel / (P * Q) * KT + K0 + k) * P * Q + pixel % (P * Q)] = elem(v);
}

// shared: pixelAt
// Channel c of masked copy n at pixel (h, v): the image where its mask is 1, the canvas (or black) where it is 0.
fn pixelAt(n: u32, c: u32, h: u32, v: u32) -> f32 {
  let i = ((at[0] * C + c) * H + h) * W + v;
  let share = maskAt(at[1] + n, h, v);
  let own = f32(x[i]) * share;
  if (HAS_CANVAS == 0u) { return own; }
  return own + f32(canvas[i]) * (1.0 - share);
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
