// narrow: 32-bit floats to stored ones, of 16 bits where storage is f16, scaled so that small ones are not lost.
//
//   x [N, C] f32, range? [N, 4] f32   ->   y [N, C]
//
//   y[n,c] = x[n,c] s[n]      s[n] the power of two that brings the largest magnitude in range[n] to 2^PEAK .. 2^(PEAK+1); 1 without
//
// A power of two changes exponents only: where y has 16 bits it has one rounding, magnitudes under 2^-14 a coarser one.

alias elem = f32;

override C: u32;
override SIZE: u32;
override PEAK: u32;
override HAS_RANGE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> range: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

// shared: exponent_to_peak
// Of the power of two that brings the largest magnitude of a row to 2^PEAK; 0 for a row of zeros.
fn exponent_to_peak(row: u32) -> i32 {
  let largest = max(abs(range[row * 4u]), abs(range[row * 4u + 1u]));
  let exponent = i32((bitcast<u32>(largest) >> 23u) & 0xffu);
  return select(clamp(i32(PEAK) + 127 - exponent, -100, 100), 0, exponent == 0);
}

fn power_of_two(exponent: i32) -> f32 {
  return bitcast<f32>(u32(exponent + 127) << 23u);
}
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  var scale = 1.0;
  if (HAS_RANGE == 1u) { scale = power_of_two(exponent_to_peak(i / C)); }
  y[i] = elem(scale * x[i]);
}
