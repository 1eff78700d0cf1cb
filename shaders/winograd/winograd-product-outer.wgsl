// winogradProduct (outer): a matrix product for each of A places: m = uT v.
//
//   u [A, KB, CP, 16], v [A, TB, CP, 16]   ->   m [A, KB, TB, 16, 16]
//
//   m[a, kb, tb, k, t] = sum over c of u[a, kb, c, k] v[a, tb, c, t]
//
// For software adapters: 16 channels x 16 tiles an invocation, in registers. Both factors are packed so that what it needs of a channel
// is one 64-byte load, the next behind it: 2 loads feed 64 vector multiply-adds, and four channels a turn share what a loop costs.
// Summed in the order c.

alias elem = f32;

override A: u32; override CP: u32; override KB: u32; override TB: u32;
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> u: array<mat4x4<elem>>;
@group(0) @binding(1) var<storage, read> v: array<mat4x4<elem>>;
@group(0) @binding(2) var<storage, read_write> m: array<mat4x4<elem>>;

/// Sums of 16 tiles.
struct Sixteen { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

fn add(sum: Sixteen, w: elem, x: mat4x4<elem>) -> Sixteen {
  let f = vec4f(f32(w));
  return Sixteen(fma(f, vec4f(x[0]), sum.a), fma(f, vec4f(x[1]), sum.b), fma(f, vec4f(x[2]), sum.c), fma(f, vec4f(x[3]), sum.d));
}

fn put(at: u32, sum: Sixteen) {
  m[at] = mat4x4<elem>(vec4<elem>(sum.a), vec4<elem>(sum.b), vec4<elem>(sum.c), vec4<elem>(sum.d));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let item = min(group * LANES + lane, A * KB * TB - 1u);
  let fu = item / TB * CP;
  let fv = (item / (TB * KB) * TB + item % TB) * CP;
  var s0 = Sixteen(); var s1 = Sixteen(); var s2 = Sixteen(); var s3 = Sixteen(); var s4 = Sixteen(); var s5 = Sixteen(); var s6 = Sixteen(); var s7 = Sixteen(); var s8 = Sixteen(); var s9 = Sixteen(); var s10 = Sixteen(); var s11 = Sixteen(); var s12 = Sixteen(); var s13 = Sixteen(); var s14 = Sixteen(); var s15 = Sixteen();
  for (var c = 0u; c < CP; c += 4u) {
    let u0 = u[fu + c + 0u]; let x0 = v[fv + c + 0u];
    s0 = add(s0, u0[0].x, x0); s1 = add(s1, u0[0].y, x0); s2 = add(s2, u0[0].z, x0); s3 = add(s3, u0[0].w, x0);
    s4 = add(s4, u0[1].x, x0); s5 = add(s5, u0[1].y, x0); s6 = add(s6, u0[1].z, x0); s7 = add(s7, u0[1].w, x0);
    s8 = add(s8, u0[2].x, x0); s9 = add(s9, u0[2].y, x0); s10 = add(s10, u0[2].z, x0); s11 = add(s11, u0[2].w, x0);
    s12 = add(s12, u0[3].x, x0); s13 = add(s13, u0[3].y, x0); s14 = add(s14, u0[3].z, x0); s15 = add(s15, u0[3].w, x0);
    let u1 = u[fu + c + 1u]; let x1 = v[fv + c + 1u];
    s0 = add(s0, u1[0].x, x1); s1 = add(s1, u1[0].y, x1); s2 = add(s2, u1[0].z, x1); s3 = add(s3, u1[0].w, x1);
    s4 = add(s4, u1[1].x, x1); s5 = add(s5, u1[1].y, x1); s6 = add(s6, u1[1].z, x1); s7 = add(s7, u1[1].w, x1);
    s8 = add(s8, u1[2].x, x1); s9 = add(s9, u1[2].y, x1); s10 = add(s10, u1[2].z, x1); s11 = add(s11, u1[2].w, x1);
    s12 = add(s12, u1[3].x, x1); s13 = add(s13, u1[3].y, x1); s14 = add(s14, u1[3].z, x1); s15 = add(s15, u1[3].w, x1);
    let u2 = u[fu + c + 2u]; let x2 = v[fv + c + 2u];
    s0 = add(s0, u2[0].x, x2); s1 = add(s1, u2[0].y, x2); s2 = add(s2, u2[0].z, x2); s3 = add(s3, u2[0].w, x2);
    s4 = add(s4, u2[1].x, x2); s5 = add(s5, u2[1].y, x2); s6 = add(s6, u2[1].z, x2); s7 = add(s7, u2[1].w, x2);
    s8 = add(s8, u2[2].x, x2); s9 = add(s9, u2[2].y, x2); s10 = add(s10, u2[2].z, x2); s11 = add(s11, u2[2].w, x2);
    s12 = add(s12, u2[3].x, x2); s13 = add(s13, u2[3].y, x2); s14 = add(s14, u2[3].z, x2); s15 = add(s15, u2[3].w, x2);
    let u3 = u[fu + c + 3u]; let x3 = v[fv + c + 3u];
    s0 = add(s0, u3[0].x, x3); s1 = add(s1, u3[0].y, x3); s2 = add(s2, u3[0].z, x3); s3 = add(s3, u3[0].w, x3);
    s4 = add(s4, u3[1].x, x3); s5 = add(s5, u3[1].y, x3); s6 = add(s6, u3[1].z, x3); s7 = add(s7, u3[1].w, x3);
    s8 = add(s8, u3[2].x, x3); s9 = add(s9, u3[2].y, x3); s10 = add(s10, u3[2].z, x3); s11 = add(s11, u3[2].w, x3);
    s12 = add(s12, u3[3].x, x3); s13 = add(s13, u3[3].y, x3); s14 = add(s14, u3[3].z, x3); s15 = add(s15, u3[3].w, x3);
  }
  let to = item * 16u;
  put(to + 0u, s0); put(to + 1u, s1); put(to + 2u, s2); put(to + 3u, s3);
  put(to + 4u, s4); put(to + 5u, s5); put(to + 6u, s6); put(to + 7u, s7);
  put(to + 8u, s8); put(to + 9u, s9); put(to + 10u, s10); put(to + 11u, s11);
  put(to + 12u, s12); put(to + 13u, s13); put(to + 14u, s14); put(to + 15u, s15);
}
