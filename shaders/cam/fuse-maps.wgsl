// fuseMaps: one map added to (or held against) those before it.
//
//   x [SIZE]   ->   y [SIZE]
//
//   MODE 0: y = (0 if FIRST else y) + WEIGHT x
//   MODE 1: y = max(0 if FIRST else y, WEIGHT x), NaN if either is: max() may lose it

alias elem = f32;

override SIZE: u32;
override MODE: u32;
override FIRST: u32;
override WEIGHT: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let added = WEIGHT * f32(x[i]);
  var before = 0.0;
  if (FIRST == 0u) { before = f32(y[i]); }
  if (MODE == 1u) { y[i] = elem(larger(before, added)); } else { y[i] = elem(before + added); }
}

// shared: larger
/// The larger of two, where NaN is larger than any number. Comparisons with NaN may be optimised away; its bits may not.
fn larger(a: f32, b: f32) -> f32 { return select(a, b, b > a || (bitcast<u32>(b) & 0x7fffffffu) > 0x7f800000u); }
// end
