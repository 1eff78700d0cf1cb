// avgPool2d: mean of each window.
//
//   x [N, C, H, W]   ->   y [N, C, P, Q]
//
//   y[n, c, p, q] = sum over r, s of x[n, c, p SH - PH + r, q SW - PW + s] / count
//
// The count is that of the window cut to the padded map (INCLUDE_PAD) or to the map. One invocation an output element.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override R: u32; override S: u32; override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32;
override INCLUDE_PAD: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

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

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * P * Q) { return; }
  let rows = window(i / Q % P, SH, PH, R, H);
  let columns = window(i % Q, SW, PW, S, W);
  let map = i / (Q * P) * (H * W);

  var sum = 0.0;
  for (var h = rows.x; h < rows.y; h++) {
    for (var w = columns.x; w < columns.y; w++) { sum += f32(x[map + h * W + w]); }
  }
  y[i] = elem(sum / f32(rows.z * columns.z));
}
