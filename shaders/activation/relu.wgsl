// relu: negative elements become 0.
//
//   x [*]   ->   y [*]
//
//   y[i] = max(x[i], 0), with KEEPS_INFINITE but for -infinity, which stays

alias elem = f32;

override SIZE: u32;
override KEEPS_INFINITE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  // Not max(): that may drop a NaN, which PyTorch keeps.
  let isKept = KEEPS_INFINITE == 1u && (bitcast<u32>(f32(x[i])) & 0x7f800000u) == 0x7f800000u;
  y[i] = select(x[i], elem(0.0), x[i] < elem(0.0) && !isKept);
}
