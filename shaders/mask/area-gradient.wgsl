// areaGradient: gradient of a mask's distance from one that is 1 on its KEPT largest elements and 0 elsewhere.
//
//   m [N, C], threshold [N]   ->   dm [N, C]
//
//   dm[n, i] = 2 (m[n, i] - r) / C,   r = 1 above the threshold, 0 below it; elements at it share what is left of KEPT alike
//
// One workgroup a row: it counts the elements above the threshold and at it, in whole numbers, then reads m again.

alias elem = f32;

override C: u32; override KEPT: u32;
override GROUPS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> m: array<elem>;
@group(0) @binding(1) var<storage, read> threshold: array<elem>;
@group(0) @binding(2) var<storage, read_write> dm: array<elem>;

var<workgroup> above: atomic<u32>;
var<workgroup> equals: atomic<u32>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  let start = row * C;
  let edge = f32(threshold[row]);

  var counts = vec2u(0u);
  for (var c = lane; c < C; c += GX) {
    let v = f32(m[start + c]);
    counts += select(vec2u(0u), vec2u(1u, 0u), v > edge) + select(vec2u(0u), vec2u(0u, 1u), v == edge);
  }
  atomicAdd(&above, counts.x);
  atomicAdd(&equals, counts.y);
  workgroupBarrier();

  let left = KEPT - min(KEPT, atomicLoad(&above));
  let share = f32(left) / f32(max(1u, atomicLoad(&equals)));
  for (var c = lane; c < C; c += GX) {
    let v = f32(m[start + c]);
    let r = select(select(0.0, min(1.0, share), v == edge), 1.0, v > edge);
    dm[start + c] = elem(2.0 * (v - r) / f32(C));
  }
}
