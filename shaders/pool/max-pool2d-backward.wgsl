// maxPool2dBackward: each gradient goes to the element that was its window's maximum.
//
//   dy [N, C, P, Q], positions [N, C, P, Q]   ->   dx [N, C, H, W]
//
//   dx[n, c, h, w] = sum of dy[n, c, p, q] over the windows that hold (h, w) and whose position is h W + w
//
// Gathered, so that no two invocations write the same element: one invocation an input element, summed in the order p, q.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override R: u32; override S: u32; override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

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
  let map = i / (H * W) * (P * Q);
  let p0 = firstWindow(h, SH, (R - 1u) * DH + 1u);
  let q0 = firstWindow(w, SW, (S - 1u) * DW + 1u);
  let p1 = min(h / SH + 1u, P);
  let q1 = min(w / SW + 1u, Q);

  var sum = 0.0;
  for (var p = p0; p < p1; p++) {
    for (var q = q0; q < q1; q++) {
      let j = map + p * Q + q;
      if (positions[j] == position) { sum += f32(dy[j]); }
    }
  }
  dx[i] = elem(sum);
}
