// slicTidy: labels without specks: each pixel takes the label that most pixels around it carry.
//
//   x [N, H, W]   ->   y [N, H, W]
//
//   y[n, p] = the most frequent x[n, q] of the pixels q within RADIUS rows and columns of p, p among them;
//   of equally frequent ones the pixel's own, else the lowest
//
// Every pixel looks at x, so the order does not matter. One invocation a pixel.

override N: u32; override H: u32; override W: u32;
override RADIUS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

// Rows low.x .. high.x and columns low.y .. high.y of the image that begins at element `first`.
struct Window { first: u32, low: vec2u, high: vec2u }

fn votesFor(label: u32, window: Window) -> u32 {
  var votes = 0u;
  for (var r = window.low.x; r < window.high.x; r++) {
    for (var c = window.low.y; c < window.high.y; c++) { votes += select(0u, 1u, x[window.first + r * W + c] == label); }
  }
  return votes;
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * H * W) { return; }
  let place = vec2u(i / W % H, i % W);
  let reach = vec2u(RADIUS);
  let window = Window(i / (H * W) * H * W, max(place, reach) - reach, min(place + reach + 1u, vec2u(H, W)));

  let own = x[i];
  var label = own;
  var most = votesFor(own, window);
  let size = (window.high.x - window.low.x) * (window.high.y - window.low.y);
  if (2u * most < size) {  // else nothing can outvote it
    for (var r = window.low.x; r < window.high.x; r++) {
      for (var c = window.low.y; c < window.high.y; c++) {
        let other = x[window.first + r * W + c];
        if (other == own || other == label) { continue; }
        let votes = votesFor(other, window);
        if (votes > most || (votes == most && label != own && other < label)) {
          label = other;
          most = votes;
        }
      }
    }
  }
  y[i] = label;
}
