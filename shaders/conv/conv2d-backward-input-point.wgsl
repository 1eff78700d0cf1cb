// conv2dBackwardInput (point): gradient of conv2d with 1 x 1 filters with respect to its input, for software adapters with subgroups.
//
//   dy [N, KT, P, Q] channels K0 .. K0 + K, w [K, CG, 1, 1]   ->   dx [N, C, P, Q]
//
//   dx[n, g CG + c, p, q] = sum over k of group g of w[k, c] dy[n, K0 + k, p, q]      (+ what dx held, if ACCUMULATE)
//
// 16 channels x 16 pixels an invocation, 32 x 32 a quad, as conv2d (point); w is read along four channels (CG divides by 4), which come one after
// the other. A turn takes four filters, whose planes begin the same way past a vec4 each time: filters of a group, K0 and KT divide by 4.
// WIDE is for few channels: 16 x 64 a quad, pixels are not shared. Elements read past a plane's end go to no result.
// A workgroup is a quad, or two beside each other where eight invocations run at once: its LANES invocations are numbered by their place in
// the subgroup, so subgroups may have any size from LANES on.
// Summed in the order k.

enable subgroups;
alias elem = f32;

override N: u32; override C: u32;
override K: u32; override CG: u32;
override P: u32; override Q: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override WIDE: u32;  // 0 or 1
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> dy: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

/// Two times four elements.
struct Eight { a: vec4f, b: vec4f }

/// Sums of a row of 16 pixels.
struct Row { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

fn add(sum: Row, f: f32, u: Eight, v: Eight) -> Row {
  let factor = vec4f(f);
  return Row(fma(factor, u.a, sum.a), fma(factor, u.b, sum.b), fma(factor, v.a, sum.c), fma(factor, v.b, sum.d));
}

/// Eight elements, the first `by` behind the start of vec4 `at`: `by` is the pipeline's constant.
fn eight(at: u32, by: u32) -> Eight {
  let a = vec4f(dy[at]);
  let b = vec4f(dy[at + 1u]);
  if (by == 0u) { return Eight(a, b); }
  let c = vec4f(dy[at + 2u]);
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
  let high = 32u - 16u * WIDE;  // channels a quad
  let across = 32u + 32u * WIDE;  // pixels
  let beside = LANES / 4u * across;
  let blocks = (area + beside - 1u) / beside;
  let per = K / GROUPED;
  let tiles = (CG + high - 1u) / high;
  let n = group / blocks % N;
  let part = group / (blocks * N) / tiles;
  let right = id % 2u;
  let down = id / 2u % 2u;
  let c = group / (blocks * N) % tiles * high + down * (1u - WIDE) * 16u;  // of the group's channels
  let p = group % blocks * beside + id / 4u * across + (right + down * WIDE * 2u) * 16u;
  let c0 = c + right * 8u; let c1 = c + 8u - right * 8u;  // the eight channels it brings, and those of its neighbour
  let p0 = p + down * 8u; let p1 = p + 8u - down * 8u;    // pixels likewise

  // Channels past the end repeat the last four.
  let wa = part * per * (CG / 4u) + min(c0 / 4u, CG / 4u - 1u);
  let wb = part * per * (CG / 4u) + min(c0 / 4u + 1u, CG / 4u - 1u);
  let first = (n * KT + K0 + part * per) * area / 4u;
  var s0 = Row(); var s1 = Row(); var s2 = Row(); var s3 = Row(); var s4 = Row(); var s5 = Row(); var s6 = Row(); var s7 = Row();
  var s8 = Row(); var s9 = Row(); var s10 = Row(); var s11 = Row(); var s12 = Row(); var s13 = Row(); var s14 = Row(); var s15 = Row();
  for (var k = 0u; k < per / 4u; k++) {
    let u = first + k * area + p0 / 4u;
    let v = first + k * area + p1 / 4u;
    let a0 = vec4f(w[wa + (4u * k + 0u) * (CG / 4u)]); let b0 = vec4f(w[wb + (4u * k + 0u) * (CG / 4u)]);
    let c0 = quadSwapX(a0); let d0 = quadSwapX(b0);
    let u0 = eight(u, 0u);
    var v0 = swapped(u0);
    if (WIDE == 1u) { v0 = eight(v, 0u); }
    s0 = add(s0, a0.x, u0, v0); s1 = add(s1, a0.y, u0, v0); s2 = add(s2, a0.z, u0, v0); s3 = add(s3, a0.w, u0, v0);
    s4 = add(s4, b0.x, u0, v0); s5 = add(s5, b0.y, u0, v0); s6 = add(s6, b0.z, u0, v0); s7 = add(s7, b0.w, u0, v0);
    s8 = add(s8, c0.x, u0, v0); s9 = add(s9, c0.y, u0, v0); s10 = add(s10, c0.z, u0, v0); s11 = add(s11, c0.w, u0, v0);
    s12 = add(s12, d0.x, u0, v0); s13 = add(s13, d0.y, u0, v0); s14 = add(s14, d0.z, u0, v0); s15 = add(s15, d0.w, u0, v0);
    let a1 = vec4f(w[wa + (4u * k + 1u) * (CG / 4u)]); let b1 = vec4f(w[wb + (4u * k + 1u) * (CG / 4u)]);
    let c1 = quadSwapX(a1); let d1 = quadSwapX(b1);
    let u1 = eight(u + 1u * area / 4u, 1u * area % 4u);
    var v1 = swapped(u1);
    if (WIDE == 1u) { v1 = eight(v + 1u * area / 4u, 1u * area % 4u); }
    s0 = add(s0, a1.x, u1, v1); s1 = add(s1, a1.y, u1, v1); s2 = add(s2, a1.z, u1, v1); s3 = add(s3, a1.w, u1, v1);
    s4 = add(s4, b1.x, u1, v1); s5 = add(s5, b1.y, u1, v1); s6 = add(s6, b1.z, u1, v1); s7 = add(s7, b1.w, u1, v1);
    s8 = add(s8, c1.x, u1, v1); s9 = add(s9, c1.y, u1, v1); s10 = add(s10, c1.z, u1, v1); s11 = add(s11, c1.w, u1, v1);
    s12 = add(s12, d1.x, u1, v1); s13 = add(s13, d1.y, u1, v1); s14 = add(s14, d1.z, u1, v1); s15 = add(s15, d1.w, u1, v1);
    let a2 = vec4f(w[wa + (4u * k + 2u) * (CG / 4u)]); let b2 = vec4f(w[wb + (4u * k + 2u) * (CG / 4u)]);
    let c2 = quadSwapX(a2); let d2 = quadSwapX(b2);
    let u2 = eight(u + 2u * area / 4u, 2u * area % 4u);
    var v2 = swapped(u2);
    if (WIDE == 1u) { v2 = eight(v + 2u * area / 4u, 2u * area % 4u); }
    s0 = add(s0, a2.x, u2, v2); s1 = add(s1, a2.y, u2, v2); s2 = add(s2, a2.z, u2, v2); s3 = add(s3, a2.w, u2, v2);
    s4 = add(s4, b2.x, u2, v2); s5 = add(s5, b2.y, u2, v2); s6 = add(s6, b2.z, u2, v2); s7 = add(s7, b2.w, u2, v2);
    s8 = add(s8, c2.x, u2, v2); s9 = add(s9, c2.y, u2, v2); s10 = add(s10, c2.z, u2, v2); s11 = add(s11, c2.w, u2, v2);
    s12 = add(s12, d2.x, u2, v2); s13 = add(s13, d2.y, u2, v2); s14 = add(s14, d2.z, u2, v2); s15 = add(s15, d2.w, u2, v2);
    let a3 = vec4f(w[wa + (4u * k + 3u) * (CG / 4u)]); let b3 = vec4f(w[wb + (4u * k + 3u) * (CG / 4u)]);
    let c3 = quadSwapX(a3); let d3 = quadSwapX(b3);
    let u3 = eight(u + 3u * area / 4u, 3u * area % 4u);
    var v3 = swapped(u3);
    if (WIDE == 1u) { v3 = eight(v + 3u * area / 4u, 3u * area % 4u); }
    s0 = add(s0, a3.x, u3, v3); s1 = add(s1, a3.y, u3, v3); s2 = add(s2, a3.z, u3, v3); s3 = add(s3, a3.w, u3, v3);
    s4 = add(s4, b3.x, u3, v3); s5 = add(s5, b3.y, u3, v3); s6 = add(s6, b3.z, u3, v3); s7 = add(s7, b3.w, u3, v3);
    s8 = add(s8, c3.x, u3, v3); s9 = add(s9, c3.y, u3, v3); s10 = add(s10, c3.z, u3, v3); s11 = add(s11, c3.w, u3, v3);
    s12 = add(s12, d3.x, u3, v3); s13 = add(s13, d3.y, u3, v3); s14 = add(s14, d3.z, u3, v3); s15 = add(s15, d3.w, u3, v3);
  }

  let sums = array<Row, 16>(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15);
  for (var i = 0u; i < 16u; i++) {
    let j = select(c0, c1, i >= 8u) + i % 8u;
    if (j >= CG) { continue; }
    let to = (n * C + part * CG + j) * area;
    put(to, p0, sums[i].a);
    put(to, p0 + 4u, sums[i].b);
    put(to, p1, sums[i].c);
    put(to, p1 + 4u, sums[i].d);
  }
}

fn put(to: u32, p: u32, sum: vec4f) {
  for (var e = 0u; e < 4u; e++) {
    if (p + e >= P * Q) { continue; }
    var v = sum[e];
    if (ACCUMULATE == 1u) { v += f32(dx[to + p + e]); }
    dx[to + p + e] = elem(v);
  }
}
