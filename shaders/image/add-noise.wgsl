// addNoise: an input plus repeatable noise, nearly normal (a sum of twelve uniforms), from a hash of the index.
//
//   x [N, SIZE / N], noise [2] (seed as u32 bits, sigma)   ->   y, as x
//
//   y = x + sigma z_i,   z_i = sum over j < 12 of u(12 i + j) - 6,   i the index within the image: all images get the same noise
//
// One invocation an element.

alias elem = f32;

override N: u32; override SIZE: u32;
override GX = 64u;

const UNIT = 0x1p-32;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> noise: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

// shared: mix32
fn mix32(value: u32) -> u32 {
  var h = value;
  h = (h ^ (h >> 16u)) * 0x7feb352du;
  h = (h ^ (h >> 15u)) * 0x846ca68bu;
  return h ^ (h >> 16u);
}
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let place = i % (SIZE / N);
  // The sum is exact: whole parts and fractions of 2^32 are counted apart.
  var low = 0u;
  var carries = 0u;
  for (var j = 0u; j < 12u; j++) {
    let u = mix32(12u * place + j + noise[0]);
    low += u;
    if (low < u) { carries++; }
  }
  let z = (f32(carries) - 6.0) + f32(low) * UNIT;
  y[i] = elem(f32(x[i]) + bitcast<f32>(noise[1]) * z);
}
