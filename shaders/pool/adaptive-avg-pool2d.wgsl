// adaptiveAvgPool2d: mean over P x Q windows that cover the map evenly.
//
//   x [N, C, H, W]   ->   y [N, C, P, Q]
//
//   y[n, c, p, q] = mean of x[n, c, h, w] over floor(p H / P) <= h < ceil((p + 1) H / P), and w likewise
//
// One invocation an output element.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32; override P: u32; override Q: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

// shared: adaptiveWindow
// First and end of window i of `count` that cover `size` elements.
fn adaptiveWindow(i: u32, size: u32, count: u32) -> vec2u {
  return vec2u(i * size / count, ((i + 1u) * size + count - 1u) / count);
}
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * P * Q) { return; }
  let rows = adaptiveWindow(i / Q % P, H, P);
  let columns = adaptiveWindow(i % Q, W, Q);
  let map = i / (Q * P) * (H * W);

  var sum = 0.0;
  for (var h = rows.x; h < rows.y; h++) {
    for (var w = columns.x; w < columns.y; w++) { sum += f32(x[map + h * W + w]); }
  }
  y[i] = elem(sum / f32((rows.y - rows.x) * (columns.y - columns.x)));
}
