// riseMasks: RISE's random masks: grids of 0 and 1, enlarged, each shifted by less than a cell.
//
//   rise [4] = seed of the grids, seed of the shifts, number of the first mask, largest hash that sets a cell to 1   ->   y [N, P, Q]
//
//   mask n, cell (r, c) is 1 if hash((n GRID + r) GRID + c + rise[0]) <= rise[3];   its shift is
//   floor(u CP), floor(v CQ) with u, v = hash(2 n + rise[1]) / 2^32, hash(2 n + 1 + rise[1]) / 2^32;   CP = P / GRID, CQ = Q / GRID, rounded up
//   the enlarged mask's element o, o from the shift on, lies at  (o + 1/2) GRID / ((GRID + 1) CP) - 1/2  of the grid
//   between two cells, linear; cells outside are mirrored without repeating the edge
//
// Positions are fractions of whole numbers, so a weight is exact to one rounding. One invocation an element.

alias elem = f32;

override N: u32; override P: u32; override Q: u32; override GRID: u32; override CP: u32; override CQ: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> rise: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

// shared: mix32
fn mix32(value: u32) -> u32 {
  var h = value;
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  return h ^ (h >> 16u);
}
// end

// floor(hash / 2^32 cell) for a cell of less than 2^16.
fn shiftOf(hash: u32, cell: u32) -> u32 { return ((hash >> 16u) * cell + (((hash & 0xffffu) * cell) >> 16u)) >> 16u; }

// What element o of the enlarged mask looks at: cells `low`, `high` and the weight t of `high`.
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
  return select(0.0, 1.0, mix32((mask * GRID + row) * GRID + column + rise[0]) <= rise[3]);
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * P * Q) { return; }
  let mask = rise[2] + i / (P * Q);
  let row = tap(i / Q % P + shiftOf(mix32(2u * mask + rise[1]), CP), CP);
  let column = tap(i % Q + shiftOf(mix32(2u * mask + 1u + rise[1]), CQ), CQ);
  let top = (1.0 - column.t) * cellAt(mask, row.low, column.low) + column.t * cellAt(mask, row.low, column.high);
  let bottom = (1.0 - column.t) * cellAt(mask, row.high, column.low) + column.t * cellAt(mask, row.high, column.high);
  y[i] = elem((1.0 - row.t) * top + row.t * bottom);
}
