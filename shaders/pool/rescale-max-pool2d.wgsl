// rescaleMaxPool2d: multipliers through max pooling by DeepLIFT's rescale rule.
//
//   dy [N, C, P, Q], x [N, C, H, W], positions [N, C, P, Q], x0 [N, C, H, W], positions0 [N, C, P, Q]   ->   dx [N, C, H, W]
//
//   a(p, q) = dy[p, q] max(y[p, q] - y0[p, q], 0)   for the windows whose maximum in x is (h, w)
//   b(p, q) = dy[p, q] min(y[p, q] - y0[p, q], 0)   for those whose maximum in x0 is (h, w)
//   dx[h, w] = (sum of a + sum of b) / (x[h, w] - x0[h, w]),   y, y0 the maxima of x and of the reference's x0
//
// What a window gains goes to the place of its maximum, what it loses to the place of the reference's: there x - x0 has the same sign and is no
// smaller, so that one window gives no more than its dy. Where |x - x0| is below 2^-100 it is the gradient: the sum of dy over the windows whose
// maximum in x is there.
//
// Gathered, so that no two invocations write the same element: one invocation an input element, summed in the order p, q.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override R: u32; override S: u32; override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GX = 64u;

const TINY = 0x1p-100f;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> x: array<elem>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read> x0: array<elem>;
@group(0) @binding(4) var<storage, read> positions0: array<u32>;
@group(0) @binding(5) var<storage, read_write> dx: array<elem>;

// shared: firstWindow
// The first window, by start, that reaches `at`: the least p with p * stride + reach > at, both counted from the padding's edge.
fn firstWindow(at: u32, stride: u32, reach: u32) -> u32 {
  return select((at - reach) / stride + 1u, 0u, at < reach);
}
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * H * W) { return; }
  let position = i % (H * W);
  let h = position / W + PH;
  let w = position % W + PW;
  let plane = i - position;
  let map = i / (H * W) * (P * Q);
  let p0 = firstWindow(h, SH, (R - 1u) * DH + 1u);
  let q0 = firstWindow(w, SW, (S - 1u) * DW + 1u);
  let p1 = min(h / SH + 1u, P);
  let q1 = min(w / SW + 1u, Q);

  let own = f32(x[i]);
  let own0 = f32(x0[i]);
  var gained = 0.0;
  var lost = 0.0;
  var gradient = 0.0;
  for (var p = p0; p < p1; p++) {
    for (var q = q0; q < q1; q++) {
      let j = map + p * Q + q;
      let g = f32(dy[j]);
      if (positions[j] == position) {
        gained += g * max(own - f32(x0[plane + positions0[j]]), 0.0);
        gradient += g;
      }
      if (positions0[j] == position) { lost += g * min(f32(x[plane + positions[j]]) - own0, 0.0); }
    }
  }
  let change = own - own0;
  if (abs(change) > TINY) { gradient = (gained + lost) / change; }
  dx[i] = elem(gradient);
}
