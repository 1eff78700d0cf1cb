// expandMasks: masks at full size, from maps, a seed, switches of segments or rectangles.
//
//   field [F, FH, FW], labels [L], at [5]   ->   y [M, H, W]: masks first .. first + M of an image
//
//   field: maps [F, FH, FW] to enlarge, switches of segments [F, 1, FW], or rectangles [F, 1, 4] (top, left, bottom, right; 0 inside)
//   labels [I H W]: the segment of each pixel of each image
//   at [5]: image, first mask, then for RISE the seed of the grids, that of the shifts, and the largest hash that sets a cell to 1
//   ROWS masks of an image in field; 0 if all images share them
//
// RISE's masks are as scikit-image enlarges its grids (order 1, mirrored border), positions being fractions of whole numbers, so that a
// weight is exact to one rounding. One invocation an element.

alias elem = f32;

override M: u32; override H: u32; override W: u32;
override SOURCE: u32;  // of the masks: MAPS, RISE, SWITCHES or rectangles
override ROWS: u32;
override FH: u32; override FW: u32; override GRID: u32; override CP: u32; override CQ: u32;
const MAPS = 0u; const RISE = 1u; const SWITCHES = 2u;
override GX = 64u;

@group(0) @binding(0) var<storage, read> field: array<elem>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> at: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= M * H * W) { return; }
  y[i] = elem(maskAt(at[1] + i / (H * W), i / W % H, i % W));
}

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
