// fmaCeiling: chains of fused multiply-adds, as fast as the adapter can.
//
//   x [T, 4]   ->   y [T, 4]
//
//   each of 8 chains a, with a start of its own: a <- a x + x, STEPS times;  y = the sum of the chains
//
// One invocation a row. A chain's steps depend on each other, the eight chains do not: that hides the latency of one fma. Nothing is
// loaded inside the loop.

alias elem = f32;

override T: u32;
override STEPS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<elem>>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= T) { return; }
  let m = vec4f(x[i]);
  var a0 = m;
  var a1 = m + 0.125;
  var a2 = m + 0.25;
  var a3 = m + 0.375;
  var a4 = m + 0.5;
  var a5 = m + 0.625;
  var a6 = m + 0.75;
  var a7 = m + 0.875;
  for (var step = 0u; step < STEPS; step++) {
    a0 = fma(a0, m, m);
    a1 = fma(a1, m, m);
    a2 = fma(a2, m, m);
    a3 = fma(a3, m, m);
    a4 = fma(a4, m, m);
    a5 = fma(a5, m, m);
    a6 = fma(a6, m, m);
    a7 = fma(a7, m, m);
  }
  y[i] = vec4<elem>(((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7)));
}
