// addResized: maps resized bilinearly and added to those before them.
//
//   x [N, C, H, W], gate [N] (1 if it is left out)   ->   y [N, C, P, Q]
//
//   y[n, c, p, q] = (0 if FIRST else y[n, c, p, q]) + gate[n] resized(x)[n, c, p, q]
//
// Bilinear, corners not aligned, as resizeBilinear. A map whose gate is 0 is not read. One invocation an output element.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32; override P: u32; override Q: u32;
override FIRST: u32;
override HAS_GATE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> gate: array<elem>;
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

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * P * Q) { return; }
  var share = 1.0;
  if (HAS_GATE == 1u) { share = f32(gate[i / (C * P * Q)]); }
  var sum = 0.0;
  if (FIRST == 0u) { sum = f32(y[i]); }
  if (share != 0.0) {
    let row = tap(i / Q % P, H, P);
    let column = tap(i % Q, W, Q);
    let map = i / (Q * P) * (H * W);
    let low = map + row.low * W;
    let high = map + row.high * W;
    let top = between(f32(x[low + column.low]), f32(x[low + column.high]), column.t);
    let bottom = between(f32(x[high + column.low]), f32(x[high + column.high]), column.t);
    sum += share * between(top, bottom, row.t);
  }
  y[i] = elem(sum);
}

// shared: between
// The point at share t from a to b; exactly a where they are equal, so that a flat map stays flat.
fn between(a: f32, b: f32, t: f32) -> f32 { return a + t * (b - a); }
// end
