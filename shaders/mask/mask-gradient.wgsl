// maskGradient: gradient of a score with respect to the mask that blended the image.
//
//   dx [N, C, H, W], image [N, C, H, W], canvas [N, C, H, W] (0 if it is left out)   ->   dm [N, 1, H, W]
//
//   dm[n, i] = sum over c of dx[n, c, i] (image[n, c, i] - canvas[n, c, i])
//
// One invocation a pixel, summed in the order of c.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override HAS_CANVAS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dx: array<elem>;
@group(0) @binding(1) var<storage, read> image: array<elem>;
@group(0) @binding(2) var<storage, read> canvas: array<elem>;
@group(0) @binding(3) var<storage, read_write> dm: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let area = H * W;
  if (i >= N * area) { return; }
  var sum = 0.0;
  for (var c = 0u; c < C; c++) {
    let at = (i / area * C + c) * area + i % area;
    var difference = f32(image[at]);
    if (HAS_CANVAS == 1u) { difference -= f32(canvas[at]); }
    sum += f32(dx[at]) * difference;
  }
  dm[i] = elem(sum);
}
