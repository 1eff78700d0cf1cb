// slicAssign: the nearest centre of each pixel, among those of its own cell of the start grid and of the cells around it.
//
//   lab [N, 3, H, W], centres [N, S, 5] = L, a, b, row, column   ->   y [N, H, W]
//
//   y[n, h, w] = argmin over s of |lab[n, :, h, w] - centres[n, s, :3]|^2 + SPACE |(h, w) - centres[n, s, 3:]|^2,
//   of equally near centres the one of lower index;   SPACE = (compactness / step)^2
//
// One invocation a pixel.

alias elem = f32;

override N: u32; override H: u32; override W: u32;
override ROWS: u32; override COLUMNS: u32;  // of the start grid: S = ROWS COLUMNS
override SPACE: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> lab: array<elem>;
@group(0) @binding(1) var<storage, read> centres: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

const LARGEST = 0x1.fffffep+127f;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let size = H * W;
  if (i >= N * size) { return; }
  let n = i / size;
  let at = n * 3u * size + i % size;
  let colour = vec3f(f32(lab[at]), f32(lab[at + size]), f32(lab[at + 2u * size]));
  let place = vec2u(i % size / W, i % W);
  let cell = cellAt(place);

  var nearest = cell.x * COLUMNS + cell.y;  // stays so where nothing compares: a NaN
  var least = LARGEST;
  for (var r = max(cell.x, 1u) - 1u; r < min(cell.x + 2u, ROWS); r++) {
    for (var c = max(cell.y, 1u) - 1u; c < min(cell.y + 2u, COLUMNS); c++) {
      let s = r * COLUMNS + c;
      let k = (n * ROWS * COLUMNS + s) * 5u;
      let away = colour - vec3f(centres[k], centres[k + 1u], centres[k + 2u]);
      let aside = vec2f(place) - vec2f(centres[k + 3u], centres[k + 4u]);
      let distance = dot(away, away) + SPACE * dot(aside, aside);
      if (distance < least) {
        least = distance;
        nearest = s;
      }
    }
  }
  y[i] = nearest;
}

// shared: cellAt
// The cell of the start grid that a pixel (row, column) lies in.
fn cellAt(place: vec2u) -> vec2u { return vec2u(place.x * ROWS / H, place.y * COLUMNS / W); }
// end
