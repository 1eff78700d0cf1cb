// maskedConv2d: conv2d of masked copies of an image, which are made as they are loaded and never written. The readable reference.
//
//   x [I, C, H, W], w [K, CG, R, S], b [K], canvas [I, C, H, W], field, labels, at   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c, r, s of w[k, c, r, s] masked[n, g CG + c, p SH - PH + r DH, q SW - PW + s DW])
//   masked[n, c, h, v] = x[image, c, h, v] mask[h, v] + canvas[image, c, h, v] (1 - mask[h, v]),   mask number first + n of the image
//   field: maps [F, FH, FW] to enlarge, switches of segments [F, 1, FW], or rectangles [F, 1, 4] (top, left, bottom, right; 0 inside)
//   labels [I H W]: the segment of each pixel of each image
//   at [5]: image, first mask, then for RISE the seed of the grids, that of the shifts, and the largest hash that sets a cell to 1
//
// g = k / (K / GROUPED) is the group. One invocation an output element; summed in the order c, r, s.

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
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> canvas: array<elem>;
@group(0) @binding(4) var<storage, read> field: array<elem>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read> at: array<u32>;
@group(0) @binding(7) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * K * P * Q) { return; }
  let q = i % Q;
  let p = i / Q % P;
  let k = i / (Q * P) % K;
  let n = i / (Q * P * K);
  let c0 = k / (K / GROUPED) * CG;

  var sum = 0.0;
  for (var c = 0u; c < CG; c++) {
    for (var r = 0u; r < R; r++) {
      let h = i32(p * SH + r * DH) - i32(PH);
      if (h < 0 || h >= i32(H)) { continue; }
      for (var s = 0u; s < S; s++) {
        let v = i32(q * SW + s * DW) - i32(PW);
        if (v < 0 || v >= i32(W)) { continue; }
        sum += f32(w[((k * CG + c) * R + r) * S + s]) * pixelAt(n, c0 + c, u32(h), u32(v));
      }
    }
  }
  if (HAS_B == 1u) { sum += f32(b[k]); }
  if (ACT == 1u && sum < 0.0) { sum = 0.0; }
  y[((n * KT + K0 + k) * P + p) * Q + q] = elem(sum);
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
