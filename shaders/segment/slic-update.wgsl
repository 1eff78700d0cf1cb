// slicUpdate: the mean colour and place of each superpixel's pixels.
//
//   lab [N, 3, H, W], labels [N, H, W] (if HAS_LABELS; else each pixel's cell of the start grid),
//   centres [N, S, 5] (if HAS_CENTRES)   ->   y [N, S, 5] = L, a, b, row, column
//
// A superpixel's pixels lie in its own cell and the cells around it. One that has no pixels keeps its centre.
// One workgroup a superpixel. GX partial sums, then a tree: the order of summation is fixed.

alias elem = f32;

override H: u32; override W: u32;
override ROWS: u32; override COLUMNS: u32;  // of the start grid: S = ROWS COLUMNS
override HAS_LABELS: u32; override HAS_CENTRES: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> lab: array<elem>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> centres: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> partial: array<f32, GX>;

// First line of `count` lines that lies in cell `cell` of `cells`, or past the last one.
fn firstOf(cell: u32, cells: u32, count: u32) -> u32 { return (min(cell, cells) * count + cells - 1u) / cells; }

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let n = group / (ROWS * COLUMNS);
  let s = group % (ROWS * COLUMNS);
  let cell = vec2u(s / COLUMNS, s % COLUMNS);
  let first = vec2u(firstOf(max(cell.x, 1u) - 1u, ROWS, H), firstOf(max(cell.y, 1u) - 1u, COLUMNS, W));
  let end = vec2u(firstOf(cell.x + 2u, ROWS, H), firstOf(cell.y + 2u, COLUMNS, W));
  let width = end.y - first.y;

  var count = 0.0;
  var colour = vec3f(0.0);
  var aside = vec2f(0.0);  // from the region's corner: small numbers, whose sums are exact
  for (var j = i; j < (end.x - first.x) * width; j += GX) {
    let off = vec2u(j / width, j % width);
    let place = first + off;
    let at = place.x * W + place.y;
    if (labelAt(n, place) == s) {
      let k = n * 3u * H * W + at;
      count += 1.0;
      colour += vec3f(f32(lab[k]), f32(lab[k + H * W]), f32(lab[k + 2u * H * W]));
      aside += vec2f(off);
    }
  }
  let pixels = sumOverGroup(i, count);
  let l = sumOverGroup(i, colour.x);
  let a = sumOverGroup(i, colour.y);
  let b = sumOverGroup(i, colour.z);
  let row = sumOverGroup(i, aside.x);
  let column = sumOverGroup(i, aside.y);

  if (i > 0u) { return; }
  let k = group * 5u;
  if (pixels > 0.0) {
    y[k] = l / pixels;
    y[k + 1u] = a / pixels;
    y[k + 2u] = b / pixels;
    y[k + 3u] = f32(first.x) + row / pixels;
    y[k + 4u] = f32(first.y) + column / pixels;
  } else if (HAS_CENTRES == 1u) {
    for (var j = 0u; j < 5u; j++) { y[k + j] = centres[k + j]; }
  }
}

fn labelAt(n: u32, place: vec2u) -> u32 {
  if (HAS_LABELS == 1u) { return labels[(n * H + place.x) * W + place.y]; }
  let cell = cellAt(place);
  return cell.x * COLUMNS + cell.y;
}

// shared: cellAt
// The cell of the start grid that a pixel (row, column) lies in.
fn cellAt(place: vec2u) -> vec2u { return vec2u(place.x * ROWS / H, place.y * COLUMNS / W); }
// end

// shared: sumOverGroup
fn sumOverGroup(i: u32, value: f32) -> f32 {
  workgroupBarrier();
  partial[i] = value;
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) { partial[i] += partial[i + step]; }
    workgroupBarrier();
  }
  return partial[0];
}
// end
