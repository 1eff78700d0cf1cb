// rescaleRelu: multipliers through a ReLU by DeepLIFT's rescale rule.
//
//   dy [*], x [*], x0 [*]   ->   dx [*]
//
//   dx[i] = dy[i] (max(x[i], 0) - max(x0[i], 0)) / (x[i] - x0[i]),   x0 the reference's input
//
// Both above 0: dy itself; neither: 0; the limits where x = x0 are the derivative's. So only one above 0 is divided by anything, and the divisor is
// no smaller than what is above it: a difference of nearly equal numbers is never taken. Below 2^-100, where quotients of
// subnormal numbers begin, it is the derivative.

alias elem = f32;

override SIZE: u32;
override GX = 64u;

const TINY = 0x1p-100f;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> x: array<elem>;
@group(0) @binding(2) var<storage, read> x0: array<elem>;
@group(0) @binding(3) var<storage, read_write> dx: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let above = f32(x[i]) > 0.0;
  let least = min(f32(x[i]), f32(x0[i]));
  let most = max(f32(x[i]), f32(x0[i]));
  var share = select(0.0, 1.0, above);
  if (least > 0.0) {
    share = 1.0;
  } else if (most - least > TINY) {
    share = max(most, 0.0) / (most - least);
  }
  dx[i] = elem(f32(dy[i]) * share);
}
