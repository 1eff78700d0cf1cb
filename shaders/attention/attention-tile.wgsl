// attention (tile): softmax(q k^T / sqrt(d)) v for every head, for software adapters: 8 queries an invocation, 16 keys at a time.
//
//   qkv [N, T, 3 D]   ->   y [N, T, D]      head h has columns h WIDTH .. (h + 1) WIDTH of q, of k and of v
//
//   s[t, u] = q[t] . k[u] SCALE,   y[t] = sum over u of exp(s[t, u] - m) v[u] / sum over u of exp(s[t, u] - m),   m = max over u of s[t, u]
//
// As in conv2d-tile loads are dear: 24 of them feed 128 multiply-adds of scores, 18 and 2 stores those of values. Scores stay in
// registers, the sums of a query in an array, which is cleared number by number when it is compiled: 512 of them, not more.
// Online softmax over blocks of keys. Queries past the end repeat the last.

alias elem = f32;

override T: u32; override D: u32;
override HEADS: u32; override WIDTH: u32;  // D / HEADS
override SCALE: f32;                       // 1 / sqrt(WIDTH)
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> qkv: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

const LOWEST = -0x1.fffffep+127f;
const LIMIT = 64u;  // largest WIDTH

fn query(token: u32, image: u32) -> u32 { return (image * T + min(token, T - 1u)) * 3u * D; }

fn key(keys: u32, u: u32) -> u32 { return keys + min(u, T - 1u) * 3u * D; }

/// Scores of key u, which count for nothing past the end.
fn kept(score: vec4f, u: u32) -> vec4f { return select(vec4f(LOWEST), score * SCALE, u < T); }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (T + 8u * LANES - 1u) / (8u * LANES);
  let head = group / blocks % HEADS * WIDTH;
  let image = group / (blocks * HEADS);
  let first = group % blocks * 8u * LANES + lane;  // of queries first, first + LANES, ... first + 7 LANES
  let keys = image * T * 3u * D + D + head;
  let q0 = query(first + 0u * LANES, image) + head; let q1 = query(first + 1u * LANES, image) + head; let q2 = query(first + 2u * LANES, image) + head; let q3 = query(first + 3u * LANES, image) + head;
  let q4 = query(first + 4u * LANES, image) + head; let q5 = query(first + 5u * LANES, image) + head; let q6 = query(first + 6u * LANES, image) + head; let q7 = query(first + 7u * LANES, image) + head;

  var sums: array<vec4f, LIMIT * 2u>;  // [column][half of the queries]
  var most_a = vec4f(LOWEST); var most_b = vec4f(LOWEST);
  var total_a = vec4f(); var total_b = vec4f();
  for (var u = 0u; u < T; u += 16u) {
    let k0 = key(keys, u + 0u); let k1 = key(keys, u + 1u); let k2 = key(keys, u + 2u); let k3 = key(keys, u + 3u);
    let k4 = key(keys, u + 4u); let k5 = key(keys, u + 5u); let k6 = key(keys, u + 6u); let k7 = key(keys, u + 7u);
    let k8 = key(keys, u + 8u); let k9 = key(keys, u + 9u); let k10 = key(keys, u + 10u); let k11 = key(keys, u + 11u);
    let k12 = key(keys, u + 12u); let k13 = key(keys, u + 13u); let k14 = key(keys, u + 14u); let k15 = key(keys, u + 15u);
    var a0 = vec4f(); var b0 = vec4f(); var a1 = vec4f(); var b1 = vec4f(); var a2 = vec4f(); var b2 = vec4f(); var a3 = vec4f(); var b3 = vec4f();
    var a4 = vec4f(); var b4 = vec4f(); var a5 = vec4f(); var b5 = vec4f(); var a6 = vec4f(); var b6 = vec4f(); var a7 = vec4f(); var b7 = vec4f();
    var a8 = vec4f(); var b8 = vec4f(); var a9 = vec4f(); var b9 = vec4f(); var a10 = vec4f(); var b10 = vec4f(); var a11 = vec4f(); var b11 = vec4f();
    var a12 = vec4f(); var b12 = vec4f(); var a13 = vec4f(); var b13 = vec4f(); var a14 = vec4f(); var b14 = vec4f(); var a15 = vec4f(); var b15 = vec4f();
    for (var c = 0u; c < WIDTH; c++) {
      let qa = vec4f(f32(qkv[q0 + c]), f32(qkv[q1 + c]), f32(qkv[q2 + c]), f32(qkv[q3 + c]));
      let qb = vec4f(f32(qkv[q4 + c]), f32(qkv[q5 + c]), f32(qkv[q6 + c]), f32(qkv[q7 + c]));
      let x0 = vec4f(f32(qkv[k0 + c])); a0 = fma(qa, x0, a0); b0 = fma(qb, x0, b0);
      let x1 = vec4f(f32(qkv[k1 + c])); a1 = fma(qa, x1, a1); b1 = fma(qb, x1, b1);
      let x2 = vec4f(f32(qkv[k2 + c])); a2 = fma(qa, x2, a2); b2 = fma(qb, x2, b2);
      let x3 = vec4f(f32(qkv[k3 + c])); a3 = fma(qa, x3, a3); b3 = fma(qb, x3, b3);
      let x4 = vec4f(f32(qkv[k4 + c])); a4 = fma(qa, x4, a4); b4 = fma(qb, x4, b4);
      let x5 = vec4f(f32(qkv[k5 + c])); a5 = fma(qa, x5, a5); b5 = fma(qb, x5, b5);
      let x6 = vec4f(f32(qkv[k6 + c])); a6 = fma(qa, x6, a6); b6 = fma(qb, x6, b6);
      let x7 = vec4f(f32(qkv[k7 + c])); a7 = fma(qa, x7, a7); b7 = fma(qb, x7, b7);
      let x8 = vec4f(f32(qkv[k8 + c])); a8 = fma(qa, x8, a8); b8 = fma(qb, x8, b8);
      let x9 = vec4f(f32(qkv[k9 + c])); a9 = fma(qa, x9, a9); b9 = fma(qb, x9, b9);
      let x10 = vec4f(f32(qkv[k10 + c])); a10 = fma(qa, x10, a10); b10 = fma(qb, x10, b10);
      let x11 = vec4f(f32(qkv[k11 + c])); a11 = fma(qa, x11, a11); b11 = fma(qb, x11, b11);
      let x12 = vec4f(f32(qkv[k12 + c])); a12 = fma(qa, x12, a12); b12 = fma(qb, x12, b12);
      let x13 = vec4f(f32(qkv[k13 + c])); a13 = fma(qa, x13, a13); b13 = fma(qb, x13, b13);
      let x14 = vec4f(f32(qkv[k14 + c])); a14 = fma(qa, x14, a14); b14 = fma(qb, x14, b14);
      let x15 = vec4f(f32(qkv[k15 + c])); a15 = fma(qa, x15, a15); b15 = fma(qb, x15, b15);
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
    for (var c = 0u; c < WIDTH; c++) {
      var sa = sums[c * 2u] * da;
      var sb = sums[c * 2u + 1u] * db;
      let v0 = vec4f(f32(qkv[k0 + D + c])); sa = fma(a0, v0, sa); sb = fma(b0, v0, sb);
      let v1 = vec4f(f32(qkv[k1 + D + c])); sa = fma(a1, v1, sa); sb = fma(b1, v1, sb);
      let v2 = vec4f(f32(qkv[k2 + D + c])); sa = fma(a2, v2, sa); sb = fma(b2, v2, sb);
      let v3 = vec4f(f32(qkv[k3 + D + c])); sa = fma(a3, v3, sa); sb = fma(b3, v3, sb);
      let v4 = vec4f(f32(qkv[k4 + D + c])); sa = fma(a4, v4, sa); sb = fma(b4, v4, sb);
      let v5 = vec4f(f32(qkv[k5 + D + c])); sa = fma(a5, v5, sa); sb = fma(b5, v5, sb);
      let v6 = vec4f(f32(qkv[k6 + D + c])); sa = fma(a6, v6, sa); sb = fma(b6, v6, sb);
      let v7 = vec4f(f32(qkv[k7 + D + c])); sa = fma(a7, v7, sa); sb = fma(b7, v7, sb);
      let v8 = vec4f(f32(qkv[k8 + D + c])); sa = fma(a8, v8, sa); sb = fma(b8, v8, sb);
      let v9 = vec4f(f32(qkv[k9 + D + c])); sa = fma(a9, v9, sa); sb = fma(b9, v9, sb);
      let v10 = vec4f(f32(qkv[k10 + D + c])); sa = fma(a10, v10, sa); sb = fma(b10, v10, sb);
      let v11 = vec4f(f32(qkv[k11 + D + c])); sa = fma(a11, v11, sa); sb = fma(b11, v11, sb);
      let v12 = vec4f(f32(qkv[k12 + D + c])); sa = fma(a12, v12, sa); sb = fma(b12, v12, sb);
      let v13 = vec4f(f32(qkv[k13 + D + c])); sa = fma(a13, v13, sa); sb = fma(b13, v13, sb);
      let v14 = vec4f(f32(qkv[k14 + D + c])); sa = fma(a14, v14, sa); sb = fma(b14, v14, sb);
      let v15 = vec4f(f32(qkv[k15 + D + c])); sa = fma(a15, v15, sa); sb = fma(b15, v15, sb);
      sums[c * 2u] = sa;
      sums[c * 2u + 1u] = sb;
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
