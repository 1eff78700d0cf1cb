// headMean: maps of attention, or what belongs to them, as one: their mean over the heads, perhaps each times another first.
//
//   a [N, HEADS, T, T], g? [N, HEADS, T, T]   ->   y [N, T, T]
//
//   y[n, i, j] = 1 / HEADS sum over h of a[n, h, i, j] g[n, h, i, j],   what is negative counts as 0 if POSITIVE
//
// One invocation an element of y.

alias elem = f32;

override N: u32; override HEADS: u32; override T: u32;
override HAS_G: u32;
override POSITIVE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> g: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let e = (wid.y * nwg.x + wid.x) * GX + lane;
  if (e >= N * T * T) { return; }
  let first = e / (T * T) * HEADS * T * T + e % (T * T);
  var sum = 0.0;
  for (var h = 0u; h < HEADS; h++) {
    var v = f32(a[first + h * T * T]);
    if (HAS_G == 1u) { v *= f32(g[first + h * T * T]); }
    sum += select(v, max(v, 0.0), POSITIVE == 1u);
  }
  y[e] = elem(sum / f32(HEADS));
}
