// normalizeRows: each row stretched to 0 .. 1.
//
//   x [N, C], range [N, 4] (of rowRange)   ->   y [N, C]
//
//   y[n, c] = (x[n, c] - least) / (largest - least)
//
// 0 everywhere in a constant row, and for elements that are not finite: y never holds a NaN, unless KEEPS_NON_FINITE leaves those as they are.
// With SIGNED the largest magnitude and its negative stand for largest and least, so that 1/2 is 0; what was 0 above, a row of zeros and what is not finite, is 1/2.

alias elem = f32;

override N: u32; override C: u32; override SIGNED: u32; override KEEPS_NON_FINITE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> range: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C) { return; }
  let row = i / C;
  let v = f32(x[i]);
  let size = max(abs(range[row * 4u]), abs(range[row * 4u + 1u]));
  let least = select(range[row * 4u], -size, SIGNED == 1u);
  let largest = select(range[row * 4u + 1u], size, SIGNED == 1u);
  // A power of two brings numbers near either end of float32 to where differences and quotients are accurate.
  let scale = select(select(1.0, 0x1p60f, size < 0x1p-60f), 0x1p-60f, size > 0x1p60f);
  let length = largest * scale - least * scale;
  let isFinite = (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
  var result = select(0.0, 0.5, SIGNED == 1u);
  if (isFinite && length > 0.0) {
    let above = (v * scale - least * scale) / length;
    // Some drivers make (v - least) * scale of the difference, which overflows here.
    let about = 0.5 + 0.5 * (v * scale / (size * scale));
    result = clamp(select(above, about, SIGNED == 1u && size > 0x1p126f), 0.0, 1.0);
  }
  y[i] = select(elem(result), x[i], KEEPS_NON_FINITE == 1u && !isFinite);
}
