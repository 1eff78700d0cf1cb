// avgPool2dBackward: each gradient is shared out over its window.
//
//   dy [N, C, P, Q]   ->   dx [N, C, H, W]
//
//   dx[n, c, h, w] = sum of dy[n, c, p, q] / count(p, q) over the windows that hold (h, w)
//
// Gathered: one invocation an input element, summed in the order p, q.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override R: u32; override S: u32; override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32;
override INCLUDE_PAD: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read_write> dx: array<elem>;

// shared: window
// Window i on one axis: first and end within the map, and the length that counts.
fn window(i: u32, stride: u32, pad: u32, filterSize: u32, size: u32) -> vec3u {
  let start = i * stride;
  let end = min(start + filterSize, size + 2u * pad);
  let low = max(start, pad) - pad;
  let high = min(end, size + pad) - pad;
  return vec3u(low, high, select(high - low, end - start, INCLUDE_PAD == 1u));
}
// end

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
  let h = i / W % H + PH;
  let w = i % W + PW;
  let map = i / (H * W) * (P * Q);
  let p1 = min(h / SH + 1u, P);
  let q1 = min(w / SW + 1u, Q);

  var sum = 0.0;
  for (var p = firstWindow(h, SH, R); p < p1; p++) {
    let rows = window(p, SH, PH, R, H).z;
    for (var q = firstWindow(w, SW, S); q < q1; q++) {
      sum += f32(dy[map + p * Q + q]) / f32(rows * window(q, SW, PW, S, W).z);
    }
  }
  dx[i] = elem(sum);
}
