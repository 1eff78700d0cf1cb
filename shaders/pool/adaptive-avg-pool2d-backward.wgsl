// adaptiveAvgPool2dBackward: each gradient is shared out over its window.
//
//   dy [N, C, P, Q]   ->   dx [N, C, H, W]
//
//   dx[n, c, h, w] = sum of dy[n, c, p, q] / size(p, q) over the windows that hold (h, w)
//
// Window p holds h when floor(h P / H) <= p < ceil((h + 1) P / H): the same rule with the sizes exchanged. One invocation an
// input element, summed in the order p, q.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32; override P: u32; override Q: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read_write> dx: array<elem>;

// shared: adaptiveWindow
// First and end of window i of `count` that cover `size` elements.
fn adaptiveWindow(i: u32, size: u32, count: u32) -> vec2u {
  return vec2u(i * size / count, ((i + 1u) * size + count - 1u) / count);
}
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * H * W) { return; }
  let ps = adaptiveWindow(i / W % H, P, H);
  let qs = adaptiveWindow(i % W, Q, W);
  let map = i / (H * W) * (P * Q);

  var sum = 0.0;
  for (var p = ps.x; p < ps.y; p++) {
    let rows = adaptiveWindow(p, H, P);
    for (var q = qs.x; q < qs.y; q++) {
      let columns = adaptiveWindow(q, W, Q);
      sum += f32(dy[map + p * Q + q]) / f32((rows.y - rows.x) * (columns.y - columns.x));
    }
  }
  dx[i] = elem(sum);
}
