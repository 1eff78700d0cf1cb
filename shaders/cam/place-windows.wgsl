// placeWindows: maps of a photo's windows, shrunk to the windows and added at their places to the whole photo's map.
//
//   maps [NJ, P, Q], weights [N, J]   ->   y [N, P, Q]
//
//   y[n, p, q] = maps[n J, p, q]
//              + sum over windows k that cover (p, q) of weights[n, 1 + k] small(maps[n J + 1 + k])[p - top, q - left]
//   top = (k / COLUMNS) SY, left = (k % COLUMNS) SX; small is bilinear interpolation from P x Q to R x S, corners not aligned
//
// One invocation a pixel, which visits only the windows that cover it, in the order of k.

alias elem = f32;

override N: u32; override J: u32; override P: u32; override Q: u32; override R: u32; override S: u32;
override SY: u32; override SX: u32;
override ROWS: u32; override COLUMNS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> maps: array<elem>;
@group(0) @binding(1) var<storage, read> weights: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

const ALIGN = 0u;

// shared: tap
// What output i of `count` looks at among `size` elements: `low`, `high` and the weight t of `high`.
struct Tap { low: u32, high: u32, t: f32 }

fn tap(i: u32, size: u32, count: u32) -> Tap {
  var above = i * (size - 1u);
  var below = max(count - 1u, 1u);
  if (ALIGN == 0u) {
    above = (2u * i + 1u) * size;
    above = max(above, count) - count;
    below = 2u * count;
  }
  let low = above / below;
  return Tap(low, min(low + 1u, size - 1u), f32(above % below) / f32(below));
}
// end

// First and end of the windows of length `size`, begun every `stride`, that cover i.
fn covering(i: u32, size: u32, stride: u32, count: u32) -> vec2u {
  let end = min(i / stride + 1u, count);
  if (i < size) { return vec2u(0u, end); }
  return vec2u((i - size) / stride + 1u, end);
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let area = P * Q;
  if (i >= N * area) { return; }
  let n = i / area;
  let p = i / Q % P;
  let q = i % Q;
  let rows = covering(p, R, SY, ROWS);
  let columns = covering(q, S, SX, COLUMNS);

  var sum = f32(maps[n * J * area + i % area]);
  for (var r = rows.x; r < rows.y; r++) {
    let row = tap(p - r * SY, P, R);
    for (var c = columns.x; c < columns.y; c++) {
      let column = tap(q - c * SX, Q, S);
      let map = n * J + 1u + r * COLUMNS + c;
      let low = map * area + row.low * Q;
      let high = map * area + row.high * Q;
      let top = between(f32(maps[low + column.low]), f32(maps[low + column.high]), column.t);
      let bottom = between(f32(maps[high + column.low]), f32(maps[high + column.high]), column.t);
      sum += f32(weights[map]) * between(top, bottom, row.t);
    }
  }
  y[i] = elem(sum);
}

// shared: between
// The point at share t from a to b; exactly a where they are equal, so that a flat map stays flat.
fn between(a: f32, b: f32, t: f32) -> f32 { return a + t * (b - a); }
// end
