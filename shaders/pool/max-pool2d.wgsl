// maxPool2d: the largest element of each window, and where it is.
//
//   x [N, C, H, W]   ->   y [N, C, P, Q], positions [N, C, P, Q] = h W + w in x's map
//
//   y[n, c, p, q] = max over r, s of x[n, c, p SH - PH + r DH, q SW - PW + s DW], padding left out
//
// Of equal elements the first in row-major order wins; a NaN wins over every number. One invocation an output element.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override R: u32; override S: u32; override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;
@group(0) @binding(2) var<storage, read_write> positions: array<u32>;

// shared: isNan
// Comparisons with NaN may be optimised away; its bits may not.
fn isNan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * C * P * Q) { return; }
  let q = i % Q;
  let p = i / Q % P;
  let map = i / (Q * P) * (H * W);

  var best = 0.0;
  var position = 0u;
  var found = false;
  for (var r = 0u; r < R; r++) {
    let h = p * SH + r * DH - PH;  // wraps round above H in the padding
    if (h >= H) { continue; }
    for (var s = 0u; s < S; s++) {
      let w = q * SW + s * DW - PW;
      if (w >= W) { continue; }
      let v = f32(x[map + h * W + w]);
      if (!found || v > best || isNan(v)) {
        best = v;
        position = h * W + w;
        found = true;
      }
    }
  }
  y[i] = elem(best);
  positions[i] = position;
}
