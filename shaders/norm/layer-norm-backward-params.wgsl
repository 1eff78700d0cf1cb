// layerNormBackwardParams: gradient of layerNorm with respect to weight and bias.
//
//   dy x [M, D], moments [M, 3]   ->   dw db [D]
//
//   dw[d] = sum over m of dy[m, d] (x[m, d] - mean[m]) / sqrt(variance[m] + EPS)
//   db[d] = sum over m of dy[m, d]
//
// A workgroup takes GX neighbouring columns; GY invocations a column make partial sums, which a tree adds: the order is fixed.

alias elem = f32;

override M: u32; override D: u32;
override GROUPS: u32;
override GX = 16u;
override GY = 16u;  // a power of two

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> x: array<elem>;
@group(0) @binding(2) var<storage, read> moments: array<elem>;
@group(0) @binding(3) var<storage, read_write> dw: array<elem>;
@group(0) @binding(4) var<storage, read_write> db: array<elem>;

var<workgroup> partial: array<vec2f, GX * GY>;

@compute @workgroup_size(GX, GY)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let d = group * GX + at.x;
  let column = min(d, D - 1u);
  var sum = vec2f();
  for (var m = at.y; m < M; m += GY) {
    let gradient = f32(dy[m * D + column]);
    let centred = (f32(x[m * D + column]) - f32(moments[3u * m])) - f32(moments[3u * m + 1u]);
    sum += vec2f(gradient * centred * f32(moments[3u * m + 2u]), gradient);
  }
  let i = at.y * GX + at.x;
  partial[i] = sum;
  workgroupBarrier();

  for (var step = GY / 2u; step > 0u; step /= 2u) {
    if (at.y < step) { partial[i] += partial[i + step * GX]; }
    workgroupBarrier();
  }
  if (at.y == 0u && d < D) {
    dw[d] = elem(partial[i].x);
    db[d] = elem(partial[i].y);
  }
}
