// conv2d (point): cross-correlation with 1 x 1 filters for software adapters with subgroups: 16 filters x 16 pixels an invocation.
//
//   x [N, C, P, Q], w [K, CG, 1, 1], b [K]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c of w[k, c] x[n, g CG + c, p, q])
//
// A CPU that runs shaders does four invocations at once, and pays for a load of a vec4 as for a dozen multiply-adds and more. Here 4 to 5 of them feed
// 64 multiply-adds: filters are read along four channels (CG divides by 4), and the four invocations of a quad, two by two on 32 filters x 32
// pixels, bring half each of what a pair needs and swap. What an invocation brought comes first in its own order, which is all that differs.
// Planes need not begin at a vec4: four of them do, and so all that lies past one is the same for the first, second, third and fourth channel of
// each four, a constant. WIDE is for few filters: 16 x 64 a quad, pixels are not shared. Elements read past a plane's end go to no result.
// A workgroup is a quad, or two beside each other where eight invocations run at once: its LANES invocations are numbered by their place in
// the subgroup, so subgroups may have any size from LANES on.
// Summed in the order c.

enable subgroups;
alias elem = f32;

override N: u32; override C: u32;
override K: u32; override CG: u32;
override P: u32; override Q: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override WIDE: u32;  // 0 or 1
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<elem>;

/// Two times four elements.
struct Eight { a: vec4f, b: vec4f }

/// Sums of a row of 16 pixels.
struct Row { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

fn add(sum: Row, f: f32, u: Eight, v: Eight) -> Row {
  let factor = vec4f(f);
  return Row(fma(factor, u.a, sum.a), fma(factor, u.b, sum.b), fma(factor, v.a, sum.c), fma(factor, v.b, sum.d));
}

/// Where filter k begins in w, in vec4s; filters past the end repeat the last.
fn filter_at(k: u32, end: u32) -> u32 { return min(k, end - 1u) * (CG / 4u); }

/// Eight elements, the first `by` behind the start of vec4 `at`: `by` is the pipeline's constant.
fn eight(at: u32, by: u32) -> Eight {
  let a = vec4f(x[at]);
  let b = vec4f(x[at + 1u]);
  if (by == 0u) { return Eight(a, b); }
  let c = vec4f(x[at + 2u]);
  if (by == 1u) { return Eight(vec4f(a.yzw, b.x), vec4f(b.yzw, c.x)); }
  if (by == 2u) { return Eight(vec4f(a.zw, b.xy), vec4f(b.zw, c.xy)); }
  return Eight(vec4f(a.w, b.xyz), vec4f(b.w, c.xyz));
}

fn swapped(v: Eight) -> Eight { return Eight(quadSwapY(v.a), quadSwapY(v.b)); }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(subgroup_invocation_id) id: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let area = P * Q;
  let high = 32u - 16u * WIDE;  // filters a quad
  let across = 32u + 32u * WIDE;  // pixels
  let beside = LANES / 4u * across;
  let blocks = (area + beside - 1u) / beside;
  let per = K / GROUPED;
  let tiles = (per + high - 1u) / high;
  let n = group / blocks % N;
  let part = group / (blocks * N) / tiles;
  let end = (part + 1u) * per;
  let right = id % 2u;
  let down = id / 2u % 2u;
  let k = part * per + group / (blocks * N) % tiles * high + down * (1u - WIDE) * 16u;
  let p = group % blocks * beside + id / 4u * across + (right + down * WIDE * 2u) * 16u;
  let k0 = k + right * 8u; let k1 = k + 8u - right * 8u;  // the eight filters it brings, and those of its neighbour
  let p0 = p + down * 8u; let p1 = p + 8u - down * 8u;    // pixels likewise

  let f0 = filter_at(k0 + 0u, end); let f1 = filter_at(k0 + 1u, end); let f2 = filter_at(k0 + 2u, end); let f3 = filter_at(k0 + 3u, end);
  let f4 = filter_at(k0 + 4u, end); let f5 = filter_at(k0 + 5u, end); let f6 = filter_at(k0 + 6u, end); let f7 = filter_at(k0 + 7u, end);
  let first = (n * C + part * CG) * area / 4u;
  var s0 = Row(); var s1 = Row(); var s2 = Row(); var s3 = Row(); var s4 = Row(); var s5 = Row(); var s6 = Row(); var s7 = Row();
  var s8 = Row(); var s9 = Row(); var s10 = Row(); var s11 = Row(); var s12 = Row(); var s13 = Row(); var s14 = Row(); var s15 = Row();
  for (var c = 0u; c < CG / 4u; c++) {
    let w0 = vec4f(w[f0 + c]); let w8 = quadSwapX(w0);
    let w1 = vec4f(w[f1 + c]); let w9 = quadSwapX(w1);
    let w2 = vec4f(w[f2 + c]); let w10 = quadSwapX(w2);
    let w3 = vec4f(w[f3 + c]); let w11 = quadSwapX(w3);
    let w4 = vec4f(w[f4 + c]); let w12 = quadSwapX(w4);
    let w5 = vec4f(w[f5 + c]); let w13 = quadSwapX(w5);
    let w6 = vec4f(w[f6 + c]); let w14 = quadSwapX(w6);
    let w7 = vec4f(w[f7 + c]); let w15 = quadSwapX(w7);
    let u = first + c * area + p0 / 4u;
    let v = first + c * area + p1 / 4u;
    let u0 = eight(u, 0u);
    var v0 = swapped(u0);
    if (WIDE == 1u) { v0 = eight(v, 0u); }
    s0 = add(s0, w0.x, u0, v0); s1 = add(s1, w1.x, u0, v0); s2 = add(s2, w2.x, u0, v0); s3 = add(s3, w3.x, u0, v0);
    s4 = add(s4, w4.x, u0, v0); s5 = add(s5, w5.x, u0, v0); s6 = add(s6, w6.x, u0, v0); s7 = add(s7, w7.x, u0, v0);
    s8 = add(s8, w8.x, u0, v0); s9 = add(s9, w9.x, u0, v0); s10 = add(s10, w10.x, u0, v0); s11 = add(s11, w11.x, u0, v0);
    s12 = add(s12, w12.x, u0, v0); s13 = add(s13, w13.x, u0, v0); s14 = add(s14, w14.x, u0, v0); s15 = add(s15, w15.x, u0, v0);
    let u1 = eight(u + 1u * area / 4u, 1u * area % 4u);
    var v1 = swapped(u1);
    if (WIDE == 1u) { v1 = eight(v + 1u * area / 4u, 1u * area % 4u); }
    s0 = add(s0, w0.y, u1, v1); s1 = add(s1, w1.y, u1, v1); s2 = add(s2, w2.y, u1, v1); s3 = add(s3, w3.y, u1, v1);
    s4 = add(s4, w4.y, u1, v1); s5 = add(s5, w5.y, u1, v1); s6 = add(s6, w6.y, u1, v1); s7 = add(s7, w7.y, u1, v1);
    s8 = add(s8, w8.y, u1, v1); s9 = add(s9, w9.y, u1, v1); s10 = add(s10, w10.y, u1, v1); s11 = add(s11, w11.y, u1, v1);
    s12 = add(s12, w12.y, u1, v1); s13 = add(s13, w13.y, u1, v1); s14 = add(s14, w14.y, u1, v1); s15 = add(s15, w15.y, u1, v1);
    let u2 = eight(u + 2u * area / 4u, 2u * area % 4u);
    var v2 = swapped(u2);
    if (WIDE == 1u) { v2 = eight(v + 2u * area / 4u, 2u * area % 4u); }
    s0 = add(s0, w0.z, u2, v2); s1 = add(s1, w1.z, u2, v2); s2 = add(s2, w2.z, u2, v2); s3 = add(s3, w3.z, u2, v2);
    s4 = add(s4, w4.z, u2, v2); s5 = add(s5, w5.z, u2, v2); s6 = add(s6, w6.z, u2, v2); s7 = add(s7, w7.z, u2, v2);
    s8 = add(s8, w8.z, u2, v2); s9 = add(s9, w9.z, u2, v2); s10 = add(s10, w10.z, u2, v2); s11 = add(s11, w11.z, u2, v2);
    s12 = add(s12, w12.z, u2, v2); s13 = add(s13, w13.z, u2, v2); s14 = add(s14, w14.z, u2, v2); s15 = add(s15, w15.z, u2, v2);
    let u3 = eight(u + 3u * area / 4u, 3u * area % 4u);
    var v3 = swapped(u3);
    if (WIDE == 1u) { v3 = eight(v + 3u * area / 4u, 3u * area % 4u); }
    s0 = add(s0, w0.w, u3, v3); s1 = add(s1, w1.w, u3, v3); s2 = add(s2, w2.w, u3, v3); s3 = add(s3, w3.w, u3, v3);
    s4 = add(s4, w4.w, u3, v3); s5 = add(s5, w5.w, u3, v3); s6 = add(s6, w6.w, u3, v3); s7 = add(s7, w7.w, u3, v3);
    s8 = add(s8, w8.w, u3, v3); s9 = add(s9, w9.w, u3, v3); s10 = add(s10, w10.w, u3, v3); s11 = add(s11, w11.w, u3, v3);
    s12 = add(s12, w12.w, u3, v3); s13 = add(s13, w13.w, u3, v3); s14 = add(s14, w14.w, u3, v3); s15 = add(s15, w15.w, u3, v3);
  }

  let sums = array<Row, 16>(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15);
  for (var i = 0u; i < 16u; i++) {
    let j = select(k0, k1, i >= 8u) + i % 8u;
    if (j >= end) { continue; }
    let to = (n * KT + K0 + j) * area;
    var bias = 0.0;
    if (HAS_B == 1u) { bias = f32(b[j]); }
    put(to, p0, sums[i].a + bias);
    put(to, p0 + 4u, sums[i].b + bias);
    put(to, p1, sums[i].c + bias);
    put(to, p1 + 4u, sums[i].d + bias);
  }
}

fn put(to: u32, p: u32, sum: vec4f) {
  var v = sum;
  if (ACT == 1u) { v = select(v, vec4f(), v < vec4f()); }
  if (p < P * Q) { y[to + p] = elem(v.x); }
  if (p + 1u < P * Q) { y[to + p + 1u] = elem(v.y); }
  if (p + 2u < P * Q) { y[to + p + 2u] = elem(v.z); }
  if (p + 3u < P * Q) { y[to + p + 3u] = elem(v.w); }
}
