// relevanceShare: relevance divided by what it is to be shared in proportion to.
//
//   r [*], z [*], gate? [*]   ->   s [*]
//
//   s[i] = WEIGHT r[i] / (z[i] + STABILISER sign(z[i])),   sign(0) = 1;   0 where there is a gate whose sign is not that of GATE
//
// WEIGHT and STABILISER are c[0] and c[1]: rules differ in them without pipelines of their own.

alias elem = f32;

override SIZE: u32;
override HAS_GATE: u32; override GATE: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> r: array<elem>;
@group(0) @binding(1) var<storage, read> z: array<elem>;
@group(0) @binding(2) var<storage, read> c: array<elem>;
@group(0) @binding(3) var<storage, read> gate: array<elem>;
@group(0) @binding(4) var<storage, read_write> s: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  if (HAS_GATE == 1u && !(GATE * f32(gate[i]) > 0.0)) {
    s[i] = elem(0.0);
    return;
  }
  let whole = f32(z[i]);
  s[i] = elem(f32(c[0]) * f32(r[i]) / (whole + select(-f32(c[1]), f32(c[1]), whole >= 0.0)));
}
