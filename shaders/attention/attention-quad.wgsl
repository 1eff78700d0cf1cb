// attention (quad): softmax(q k^T / sqrt(d)) v for every head, for software adapters with subgroups: 8 queries an invocation, 16 keys at a time.
//
//   qkv [N, T, 3 D]   ->   y [N, T, D]      head h has columns h WIDTH .. (h + 1) WIDTH of q, of k and of v
//
//   s[t, u] = q[t] . k[u] SCALE,   y[t] = sum over u of exp(s[t, u] - m) v[u] / sum over u of exp(s[t, u] - m),   m = max over u of s[t, u]
//
// As attention-tile, but a quad asks for no key twice, as in linear-quad: its four invocations load four keys each, and give each other what
// they loaded by quadBroadcast. Four columns a turn (WIDTH divides by 4): 12 loads of vec4s feed 512 multiply-adds of scores, 4 with 8 sums
// those of values. Scores stay in registers, the sums of a query in an array, which is cleared number by number when it is compiled: 512 of
// them, not more. The LANES invocations of a workgroup, one quad or two, are numbered by their place in the subgroup.
// Online softmax over blocks of keys. Queries past the end repeat the last. Same order of sums as attention-tile.

enable subgroups;
alias elem = f32;

override T: u32; override D: u32;
override HEADS: u32; override WIDTH: u32;  // D / HEADS
override SCALE: f32;                       // 1 / sqrt(WIDTH)
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> qkv: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

const LOWEST = -0x1.fffffep+127f;
const LIMIT = 64u;  // largest WIDTH

/// Where a query, or a key, begins, in vec4s.
fn query(token: u32, image: u32) -> u32 { return (image * T + min(token, T - 1u)) * 3u * D / 4u; }
fn key(keys: u32, u: u32) -> u32 { return keys + min(u, T - 1u) * 3u * D / 4u; }

/// Scores of key u, which count for nothing past the end.
fn kept(score: vec4f, u: u32) -> vec4f { return select(vec4f(LOWEST), score * SCALE, u < T); }

// shared: addFour
/// Four vec4s at four places of what is summed over.
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

/// A sum of four results, and what four places add to it.
fn add(sum: vec4f, f: Four, v: vec4f) -> vec4f {
  return fma(f.d, v.wwww, fma(f.c, v.zzzz, fma(f.b, v.yyyy, fma(f.a, v.xxxx, sum))));
}
// end

// shared: turned
/// Four vec4s with rows and columns exchanged.
fn turned(p: vec4f, q: vec4f, r: vec4f, s: vec4f) -> Four {
  return Four(vec4f(p.x, q.x, r.x, s.x), vec4f(p.y, q.y, r.y, s.y), vec4f(p.z, q.z, r.z, s.z), vec4f(p.w, q.w, r.w, s.w));
}
// end

/// What the four members of a quad have.
fn all_four(v: vec4f) -> Four {
  return Four(quadBroadcast(v, 0u), quadBroadcast(v, 1u), quadBroadcast(v, 2u), quadBroadcast(v, 3u));
}

/// Four columns of 16 keys, or values, of which the member brings four.
struct Sixteen { a: Four, b: Four, c: Four, d: Four }

fn sixteen(at0: u32, at1: u32, at2: u32, at3: u32) -> Sixteen {
  return Sixteen(all_four(vec4f(qkv[at0])), all_four(vec4f(qkv[at1])), all_four(vec4f(qkv[at2])), all_four(vec4f(qkv[at3])));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (T + 8u * LANES - 1u) / (8u * LANES);
  let head = group / blocks % HEADS * WIDTH;
  let image = group / (blocks * HEADS);
  let first = group % blocks * 8u * LANES + lane;  // of queries first, first + LANES, ... first + 7 LANES
  let keys = (image * T * 3u * D + D + head) / 4u;
  let q0 = query(first + 0u * LANES, image) + head / 4u; let q1 = query(first + 1u * LANES, image) + head / 4u; let q2 = query(first + 2u * LANES, image) + head / 4u; let q3 = query(first + 3u * LANES, image) + head / 4u;
  let q4 = query(first + 4u * LANES, image) + head / 4u; let q5 = query(first + 5u * LANES, image) + head / 4u; let q6 = query(first + 6u * LANES, image) + head / 4u; let q7 = query(first + 7u * LANES, image) + head / 4u;

  var sums: array<vec4f, LIMIT * 2u>;  // [column][half of the queries]
  var most_a = vec4f(LOWEST); var most_b = vec4f(LOWEST);
  var total_a = vec4f(); var total_b = vec4f();
  for (var u = 0u; u < T; u += 16u) {
    let own = u + lane % 4u;
    let k0 = key(keys, own); let k1 = key(keys, own + 4u); let k2 = key(keys, own + 8u); let k3 = key(keys, own + 12u);
    var a0 = vec4f(); var b0 = vec4f(); var a1 = vec4f(); var b1 = vec4f(); var a2 = vec4f(); var b2 = vec4f(); var a3 = vec4f(); var b3 = vec4f();
    var a4 = vec4f(); var b4 = vec4f(); var a5 = vec4f(); var b5 = vec4f(); var a6 = vec4f(); var b6 = vec4f(); var a7 = vec4f(); var b7 = vec4f();
    var a8 = vec4f(); var b8 = vec4f(); var a9 = vec4f(); var b9 = vec4f(); var a10 = vec4f(); var b10 = vec4f(); var a11 = vec4f(); var b11 = vec4f();
    var a12 = vec4f(); var b12 = vec4f(); var a13 = vec4f(); var b13 = vec4f(); var a14 = vec4f(); var b14 = vec4f(); var a15 = vec4f(); var b15 = vec4f();
    for (var c = 0u; c < WIDTH / 4u; c++) {
      let qa = turned(vec4f(qkv[q0 + c]), vec4f(qkv[q1 + c]), vec4f(qkv[q2 + c]), vec4f(qkv[q3 + c]));
      let qb = turned(vec4f(qkv[q4 + c]), vec4f(qkv[q5 + c]), vec4f(qkv[q6 + c]), vec4f(qkv[q7 + c]));
      let k = sixteen(k0 + c, k1 + c, k2 + c, k3 + c);
      a0 = add(a0, qa, k.a.a); b0 = add(b0, qb, k.a.a); a1 = add(a1, qa, k.a.b); b1 = add(b1, qb, k.a.b);
      a2 = add(a2, qa, k.a.c); b2 = add(b2, qb, k.a.c); a3 = add(a3, qa, k.a.d); b3 = add(b3, qb, k.a.d);
      a4 = add(a4, qa, k.b.a); b4 = add(b4, qb, k.b.a); a5 = add(a5, qa, k.b.b); b5 = add(b5, qb, k.b.b);
      a6 = add(a6, qa, k.b.c); b6 = add(b6, qb, k.b.c); a7 = add(a7, qa, k.b.d); b7 = add(b7, qb, k.b.d);
      a8 = add(a8, qa, k.c.a); b8 = add(b8, qb, k.c.a); a9 = add(a9, qa, k.c.b); b9 = add(b9, qb, k.c.b);
      a10 = add(a10, qa, k.c.c); b10 = add(b10, qb, k.c.c); a11 = add(a11, qa, k.c.d); b11 = add(b11, qb, k.c.d);
      a12 = add(a12, qa, k.d.a); b12 = add(b12, qb, k.d.a); a13 = add(a13, qa, k.d.b); b13 = add(b13, qb, k.d.b);
      a14 = add(a14, qa, k.d.c); b14 = add(b14, qb, k.d.c); a15 = add(a15, qa, k.d.d); b15 = add(b15, qb, k.d.d);
    }
// shared: softmaxOfKeys
    // From the scores of 16 keys to their weights: most_, the largest so far, and total_, the sum, go on; what was summed before counts da, db.
    a0 = kept(a0, u + 0u); b0 = kept(b0, u + 0u);
    a1 = kept(a1, u + 1u); b1 = kept(b1, u + 1u);
    a2 = kept(a2, u + 2u); b2 = kept(b2, u + 2u);
    a3 = kept(a3, u + 3u); b3 = kept(b3, u + 3u);
    a4 = kept(a4, u + 4u); b4 = kept(b4, u + 4u);
    a5 = kept(a5, u + 5u); b5 = kept(b5, u + 5u);
    a6 = kept(a6, u + 6u); b6 = kept(b6, u + 6u);
    a7 = kept(a7, u + 7u); b7 = kept(b7, u + 7u);
    a8 = kept(a8, u + 8u); b8 = kept(b8, u + 8u);
    a9 = kept(a9, u + 9u); b9 = kept(b9, u + 9u);
    a10 = kept(a10, u + 10u); b10 = kept(b10, u + 10u);
    a11 = kept(a11, u + 11u); b11 = kept(b11, u + 11u);
    a12 = kept(a12, u + 12u); b12 = kept(b12, u + 12u);
    a13 = kept(a13, u + 13u); b13 = kept(b13, u + 13u);
    a14 = kept(a14, u + 14u); b14 = kept(b14, u + 14u);
    a15 = kept(a15, u + 15u); b15 = kept(b15, u + 15u);
    let ma = max(most_a, max(max(max(max(a0, a1), max(a2, a3)), max(max(a4, a5), max(a6, a7))), max(max(max(a8, a9), max(a10, a11)), max(max(a12, a13), max(a14, a15)))));
    let mb = max(most_b, max(max(max(max(b0, b1), max(b2, b3)), max(max(b4, b5), max(b6, b7))), max(max(max(b8, b9), max(b10, b11)), max(max(b12, b13), max(b14, b15)))));
    a0 = exp(a0 - ma); b0 = exp(b0 - mb);
    a1 = exp(a1 - ma); b1 = exp(b1 - mb);
    a2 = exp(a2 - ma); b2 = exp(b2 - mb);
    a3 = exp(a3 - ma); b3 = exp(b3 - mb);
    a4 = exp(a4 - ma); b4 = exp(b4 - mb);
    a5 = exp(a5 - ma); b5 = exp(b5 - mb);
    a6 = exp(a6 - ma); b6 = exp(b6 - mb);
    a7 = exp(a7 - ma); b7 = exp(b7 - mb);
    a8 = exp(a8 - ma); b8 = exp(b8 - mb);
    a9 = exp(a9 - ma); b9 = exp(b9 - mb);
    a10 = exp(a10 - ma); b10 = exp(b10 - mb);
    a11 = exp(a11 - ma); b11 = exp(b11 - mb);
    a12 = exp(a12 - ma); b12 = exp(b12 - mb);
    a13 = exp(a13 - ma); b13 = exp(b13 - mb);
    a14 = exp(a14 - ma); b14 = exp(b14 - mb);
    a15 = exp(a15 - ma); b15 = exp(b15 - mb);
    let da = exp(most_a - ma);
    let db = exp(most_b - mb);
    most_a = ma;
    most_b = mb;
    total_a = fma(total_a, da, ((((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7))) + (((a8 + a9) + (a10 + a11)) + ((a12 + a13) + (a14 + a15)))));
    total_b = fma(total_b, db, ((((b0 + b1) + (b2 + b3)) + ((b4 + b5) + (b6 + b7))) + (((b8 + b9) + (b10 + b11)) + ((b12 + b13) + (b14 + b15)))));
// end
    for (var c = 0u; c < WIDTH / 4u; c++) {
      let v = sixteen(k0 + D / 4u + c, k1 + D / 4u + c, k2 + D / 4u + c, k3 + D / 4u + c);
      var s0 = sums[c * 8u + 0u] * da;
      var s1 = sums[c * 8u + 1u] * db;
      var s2 = sums[c * 8u + 2u] * da;
      var s3 = sums[c * 8u + 3u] * db;
      var s4 = sums[c * 8u + 4u] * da;
      var s5 = sums[c * 8u + 5u] * db;
      var s6 = sums[c * 8u + 6u] * da;
      var s7 = sums[c * 8u + 7u] * db;
      s0 = fma(a0, v.a.a.xxxx, s0); s1 = fma(b0, v.a.a.xxxx, s1); s2 = fma(a0, v.a.a.yyyy, s2); s3 = fma(b0, v.a.a.yyyy, s3);
      s4 = fma(a0, v.a.a.zzzz, s4); s5 = fma(b0, v.a.a.zzzz, s5); s6 = fma(a0, v.a.a.wwww, s6); s7 = fma(b0, v.a.a.wwww, s7);
      s0 = fma(a1, v.a.b.xxxx, s0); s1 = fma(b1, v.a.b.xxxx, s1); s2 = fma(a1, v.a.b.yyyy, s2); s3 = fma(b1, v.a.b.yyyy, s3);
      s4 = fma(a1, v.a.b.zzzz, s4); s5 = fma(b1, v.a.b.zzzz, s5); s6 = fma(a1, v.a.b.wwww, s6); s7 = fma(b1, v.a.b.wwww, s7);
      s0 = fma(a2, v.a.c.xxxx, s0); s1 = fma(b2, v.a.c.xxxx, s1); s2 = fma(a2, v.a.c.yyyy, s2); s3 = fma(b2, v.a.c.yyyy, s3);
      s4 = fma(a2, v.a.c.zzzz, s4); s5 = fma(b2, v.a.c.zzzz, s5); s6 = fma(a2, v.a.c.wwww, s6); s7 = fma(b2, v.a.c.wwww, s7);
      s0 = fma(a3, v.a.d.xxxx, s0); s1 = fma(b3, v.a.d.xxxx, s1); s2 = fma(a3, v.a.d.yyyy, s2); s3 = fma(b3, v.a.d.yyyy, s3);
      s4 = fma(a3, v.a.d.zzzz, s4); s5 = fma(b3, v.a.d.zzzz, s5); s6 = fma(a3, v.a.d.wwww, s6); s7 = fma(b3, v.a.d.wwww, s7);
      s0 = fma(a4, v.b.a.xxxx, s0); s1 = fma(b4, v.b.a.xxxx, s1); s2 = fma(a4, v.b.a.yyyy, s2); s3 = fma(b4, v.b.a.yyyy, s3);
      s4 = fma(a4, v.b.a.zzzz, s4); s5 = fma(b4, v.b.a.zzzz, s5); s6 = fma(a4, v.b.a.wwww, s6); s7 = fma(b4, v.b.a.wwww, s7);
      s0 = fma(a5, v.b.b.xxxx, s0); s1 = fma(b5, v.b.b.xxxx, s1); s2 = fma(a5, v.b.b.yyyy, s2); s3 = fma(b5, v.b.b.yyyy, s3);
      s4 = fma(a5, v.b.b.zzzz, s4); s5 = fma(b5, v.b.b.zzzz, s5); s6 = fma(a5, v.b.b.wwww, s6); s7 = fma(b5, v.b.b.wwww, s7);
      s0 = fma(a6, v.b.c.xxxx, s0); s1 = fma(b6, v.b.c.xxxx, s1); s2 = fma(a6, v.b.c.yyyy, s2); s3 = fma(b6, v.b.c.yyyy, s3);
      s4 = fma(a6, v.b.c.zzzz, s4); s5 = fma(b6, v.b.c.zzzz, s5); s6 = fma(a6, v.b.c.wwww, s6); s7 = fma(b6, v.b.c.wwww, s7);
      s0 = fma(a7, v.b.d.xxxx, s0); s1 = fma(b7, v.b.d.xxxx, s1); s2 = fma(a7, v.b.d.yyyy, s2); s3 = fma(b7, v.b.d.yyyy, s3);
      s4 = fma(a7, v.b.d.zzzz, s4); s5 = fma(b7, v.b.d.zzzz, s5); s6 = fma(a7, v.b.d.wwww, s6); s7 = fma(b7, v.b.d.wwww, s7);
      s0 = fma(a8, v.c.a.xxxx, s0); s1 = fma(b8, v.c.a.xxxx, s1); s2 = fma(a8, v.c.a.yyyy, s2); s3 = fma(b8, v.c.a.yyyy, s3);
      s4 = fma(a8, v.c.a.zzzz, s4); s5 = fma(b8, v.c.a.zzzz, s5); s6 = fma(a8, v.c.a.wwww, s6); s7 = fma(b8, v.c.a.wwww, s7);
      s0 = fma(a9, v.c.b.xxxx, s0); s1 = fma(b9, v.c.b.xxxx, s1); s2 = fma(a9, v.c.b.yyyy, s2); s3 = fma(b9, v.c.b.yyyy, s3);
      s4 = fma(a9, v.c.b.zzzz, s4); s5 = fma(b9, v.c.b.zzzz, s5); s6 = fma(a9, v.c.b.wwww, s6); s7 = fma(b9, v.c.b.wwww, s7);
      s0 = fma(a10, v.c.c.xxxx, s0); s1 = fma(b10, v.c.c.xxxx, s1); s2 = fma(a10, v.c.c.yyyy, s2); s3 = fma(b10, v.c.c.yyyy, s3);
      s4 = fma(a10, v.c.c.zzzz, s4); s5 = fma(b10, v.c.c.zzzz, s5); s6 = fma(a10, v.c.c.wwww, s6); s7 = fma(b10, v.c.c.wwww, s7);
      s0 = fma(a11, v.c.d.xxxx, s0); s1 = fma(b11, v.c.d.xxxx, s1); s2 = fma(a11, v.c.d.yyyy, s2); s3 = fma(b11, v.c.d.yyyy, s3);
      s4 = fma(a11, v.c.d.zzzz, s4); s5 = fma(b11, v.c.d.zzzz, s5); s6 = fma(a11, v.c.d.wwww, s6); s7 = fma(b11, v.c.d.wwww, s7);
      s0 = fma(a12, v.d.a.xxxx, s0); s1 = fma(b12, v.d.a.xxxx, s1); s2 = fma(a12, v.d.a.yyyy, s2); s3 = fma(b12, v.d.a.yyyy, s3);
      s4 = fma(a12, v.d.a.zzzz, s4); s5 = fma(b12, v.d.a.zzzz, s5); s6 = fma(a12, v.d.a.wwww, s6); s7 = fma(b12, v.d.a.wwww, s7);
      s0 = fma(a13, v.d.b.xxxx, s0); s1 = fma(b13, v.d.b.xxxx, s1); s2 = fma(a13, v.d.b.yyyy, s2); s3 = fma(b13, v.d.b.yyyy, s3);
      s4 = fma(a13, v.d.b.zzzz, s4); s5 = fma(b13, v.d.b.zzzz, s5); s6 = fma(a13, v.d.b.wwww, s6); s7 = fma(b13, v.d.b.wwww, s7);
      s0 = fma(a14, v.d.c.xxxx, s0); s1 = fma(b14, v.d.c.xxxx, s1); s2 = fma(a14, v.d.c.yyyy, s2); s3 = fma(b14, v.d.c.yyyy, s3);
      s4 = fma(a14, v.d.c.zzzz, s4); s5 = fma(b14, v.d.c.zzzz, s5); s6 = fma(a14, v.d.c.wwww, s6); s7 = fma(b14, v.d.c.wwww, s7);
      s0 = fma(a15, v.d.d.xxxx, s0); s1 = fma(b15, v.d.d.xxxx, s1); s2 = fma(a15, v.d.d.yyyy, s2); s3 = fma(b15, v.d.d.yyyy, s3);
      s4 = fma(a15, v.d.d.zzzz, s4); s5 = fma(b15, v.d.d.zzzz, s5); s6 = fma(a15, v.d.d.wwww, s6); s7 = fma(b15, v.d.d.wwww, s7);
      sums[c * 8u + 0u] = s0; sums[c * 8u + 1u] = s1; sums[c * 8u + 2u] = s2; sums[c * 8u + 3u] = s3;
      sums[c * 8u + 4u] = s4; sums[c * 8u + 5u] = s5; sums[c * 8u + 6u] = s6; sums[c * 8u + 7u] = s7;
    }
  }

  for (var e = 0u; e < WIDTH * 8u; e++) {
    let r = e % 8u;
    let token = first + r * LANES;
    if (token >= T) { continue; }
    let total = select(total_a, total_b, r >= 4u)[r % 4u];
    y[(image * T + token) * D + head + e / 8u] = elem(sums[e / 8u * 2u + r / 4u][r % 4u] / total);
  }
}
