// resizeBilinearBackward: each gradient goes back to the four elements it was interpolated from.
//
//   dy [N, C, P, Q]   ->   dx [N, C, H, W]
//
//   dx[h, w] = sum over p, q of weight(p, h) weight(q, w) dy[p, q]
//
// weight(p, h) is what output p takes of element h. Gathered over the outputs whose src lies within 1 of h: one invocation an
// input element, summed in the order p, q.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32; override P: u32; override Q: u32;
override ALIGN: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read_write> dx: array<elem>;

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

fn weight(i: u32, at: u32, size: u32, count: u32) -> f32 {
  let taken = tap(i, size, count);
  return select(0.0, 1.0 - taken.t, taken.low == at) + select(0.0, taken.t, taken.high == at);
}

// First and end of a range that holds every output of `count` that looks at element `at` of `size`.
fn outputsOf(at: u32, size: u32, count: u32) -> vec2u {
  if (ALIGN == 1u) {
    let gaps = max(size - 1u, 1u);
    let first = max(at, 1u) - 1u;
    return vec2u(first * (count - 1u) / gaps, select(min(((at + 1u) * (count - 1u)) / gaps + 1u, count), count, size == 1u));
  }
  let first = max(2u * at, 1u) - 1u;
  let low = first * count / size;  // twice the position, plus one
  return vec2u(low / 2u, min((2u * at + 3u) * count / (2u * size) + 1u, count));
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * H * W) { return; }
  let h = i / W % H;
  let w = i % W;
  let map = i / (H * W) * (P * Q);
  let ps = outputsOf(h, H, P);
  let qs = outputsOf(w, W, Q);

  var sum = 0.0;
  for (var p = ps.x; p < ps.y; p++) {
    var row = 0.0;
    for (var q = qs.x; q < qs.y; q++) { row += weight(q, w, W, Q) * f32(dy[map + p * Q + q]); }
    sum += weight(p, h, H, P) * row;
  }
  dx[i] = elem(sum);
}
