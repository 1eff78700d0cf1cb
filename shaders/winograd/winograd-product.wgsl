// winogradProduct: a matrix product for each of A places: m = uT v. The readable reference.
//
//   u [A, KB, CP, 16], v [A, TB, CP, 16]   ->   m [A, KB, TB, 16, 16]
//
//   m[a, kb, tb, k, t] = sum over c of u[a, kb, c, k] v[a, tb, c, t]
//
// One invocation a sum; summed in the order c.

alias elem = f32;

override A: u32; override CP: u32; override KB: u32; override TB: u32;

@group(0) @binding(0) var<storage, read> u: array<elem>;
@group(0) @binding(1) var<storage, read> v: array<elem>;
@group(0) @binding(2) var<storage, read_write> m: array<elem>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * 64u + lane;
  if (i >= A * KB * TB * 256u) { return; }
  let tb = i / 256u % TB;
  let kb = i / (256u * TB) % KB;
  let a = i / (256u * TB * KB);
  let fu = (a * KB + kb) * CP * 16u + i / 16u % 16u;
  let fv = (a * TB + tb) * CP * 16u + i % 16u;
  var sum = 0.0;
  for (var c = 0u; c < CP; c++) { sum = fma(f32(u[fu + c * 16u]), f32(v[fv + c * 16u]), sum); }
  m[i] = elem(sum);
}
