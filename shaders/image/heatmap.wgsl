// heatmap: a saliency map in colours.
//
//   map [P, Q], colours [256] RGBA8   ->   y [P, Q] RGBA8
//
//   y[p, q] = colours[round(255 map[p, q])], the map held to 0 .. 1; transparent where it is not finite

alias elem = f32;

override P: u32; override Q: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> map: array<elem>;
@group(0) @binding(1) var<storage, read> colours: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

// shared: isFinite
fn isFinite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u; }
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= P * Q) { return; }
  let v = f32(map[i]);
  var colour = 0u;
  if (isFinite(v)) { colour = colours[u32(clamp(v, 0.0, 1.0) * 255.0 + 0.5)]; }
  y[i] = colour;
}
