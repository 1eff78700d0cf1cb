// attention (block): softmax(q k^T / sqrt(d)) v for every head, keys and values in workgroup memory.
//
//   qkv [N, T, 3 D]   ->   y [N, T, D]      head h has columns h WIDTH .. (h + 1) WIDTH of q, of k and of v
//
//   s[t, u] = q[t] . k[u] SCALE,   y[t] = sum over u of exp(s[t, u] - m) v[u] / sum over u of exp(s[t, u] - m),   m = max over u of s[t, u]
//
// For GPUs: a workgroup of 8 x 8 invocations takes 32 queries of a head and 32 keys at a time. Scores are a product of two slices,
// 16 columns deep, 4 x 4 an invocation, and go to workgroup memory; 32 invocations turn a row each into weights (online softmax);
// then values pass 32 columns at a time, an invocation keeps 4 queries x 4 columns of every 32 in registers. 8.6 KiB in all.
// Registers hold 128 columns of the result: of a wider head several workgroups take 128 each, and all compute the scores.

alias elem = f32;

override T: u32; override D: u32;
override HEADS: u32; override WIDTH: u32;  // D / HEADS
override SCALE: f32;                       // 1 / sqrt(WIDTH)
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> qkv: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

const LOWEST = -0x1.fffffep+127f;
const PITCH = 33u;  // of 32 numbers: neighbouring rows lie in different banks
var<workgroup> slices: array<f32, 1056>;  // [32 queries and 32 keys][16 columns], then [32 keys][32 columns] of values
var<workgroup> scores: array<f32, 1056>;  // [32 queries][32 keys]
var<workgroup> most: array<f32, 32>;
var<workgroup> total: array<f32, 32>;
var<workgroup> down: array<f32, 32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let spans = (WIDTH + 127u) / 128u;  // of columns
  let blocks = (T + 31u) / 32u;
  let head = group / (spans * blocks) % HEADS * WIDTH;
  let image = group / (spans * blocks * HEADS);
  let first = group / spans % blocks * 32u;
  let first_column = group % spans * 128u;
  let i = lane / 8u * 4u;  // queries first + i ... first + i + 3
  let j = lane % 8u * 4u;  // keys or columns j ... j + 3 of 32

  var sums: array<vec4f, 16>;  // [32 columns of 128][4 queries]
  if (lane < 32u) {
    most[lane] = LOWEST;
    total[lane] = 0.0;
  }
  for (var u = 0u; u < T; u += 32u) {
    var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
    for (var c = 0u; c < WIDTH; c += 16u) {
      workgroupBarrier();
      for (var e = lane; e < 512u; e += 64u) {
        slices[e % 16u * PITCH + e / 16u] = part(image, first + e / 16u, head, c + e % 16u, 0u);
        slices[528u + e % 16u * PITCH + e / 16u] = part(image, u + e / 16u, head, c + e % 16u, D);
      }
      workgroupBarrier();
      for (var d = 0u; d < 16u; d++) {
        let q = d * PITCH + i;
        let k = 528u + d * PITCH + j;
        let keys = vec4f(slices[k], slices[k + 1u], slices[k + 2u], slices[k + 3u]);
        s0 = fma(vec4f(slices[q]), keys, s0);
        s1 = fma(vec4f(slices[q + 1u]), keys, s1);
        s2 = fma(vec4f(slices[q + 2u]), keys, s2);
        s3 = fma(vec4f(slices[q + 3u]), keys, s3);
      }
    }
    let block = array<vec4f, 4>(s0, s1, s2, s3);
    for (var e = 0u; e < 16u; e++) {
      let k = j + e % 4u;
      scores[(i + e / 4u) * PITCH + k] = select(LOWEST, block[e / 4u][e % 4u] * SCALE, u + k < T);
    }
    workgroupBarrier();

    if (lane < 32u) {
      let row = lane * PITCH;
      var high = most[lane];
      for (var k = 0u; k < 32u; k++) { high = max(high, scores[row + k]); }
      var sum = 0.0;
      for (var k = 0u; k < 32u; k++) {
        let weight = exp(scores[row + k] - high);
        scores[row + k] = weight;
        sum += weight;
      }
      down[lane] = exp(most[lane] - high);
      total[lane] = total[lane] * down[lane] + sum;
      most[lane] = high;
    }

    for (var part_at = 0u; part_at < 4u; part_at++) {
      let c = first_column + part_at * 32u;
      if (c >= WIDTH) { break; }
      workgroupBarrier();
      for (var e = lane; e < 1024u; e += 64u) {
        slices[e / 32u * PITCH + e % 32u] = part(image, u + e / 32u, head, c + e % 32u, 2u * D);
      }
      workgroupBarrier();
      var v0 = sums[part_at * 4u] * down[i];
      var v1 = sums[part_at * 4u + 1u] * down[i + 1u];
      var v2 = sums[part_at * 4u + 2u] * down[i + 2u];
      var v3 = sums[part_at * 4u + 3u] * down[i + 3u];
      for (var k = 0u; k < 32u; k++) {
        let at = k * PITCH + j;
        let values = vec4f(slices[at], slices[at + 1u], slices[at + 2u], slices[at + 3u]);
        v0 = fma(vec4f(scores[i * PITCH + k]), values, v0);
        v1 = fma(vec4f(scores[(i + 1u) * PITCH + k]), values, v1);
        v2 = fma(vec4f(scores[(i + 2u) * PITCH + k]), values, v2);
        v3 = fma(vec4f(scores[(i + 3u) * PITCH + k]), values, v3);
      }
      sums[part_at * 4u] = v0;
      sums[part_at * 4u + 1u] = v1;
      sums[part_at * 4u + 2u] = v2;
      sums[part_at * 4u + 3u] = v3;
    }
  }

  for (var e = 0u; e < 64u; e++) {
    let token = first + i + e / 4u % 4u;
    let c = first_column + e / 16u * 32u + j + e % 4u;
    if ((token < T) & (c < WIDTH)) {
      y[(image * T + token) * D + head + c] = elem(sums[e / 4u][e % 4u] / total[i + e / 4u % 4u]);
    }
  }
}

/// Column c of a token's q (`third` 0), k (D) or v (2 D) of the head; 0 outside.
fn part(image: u32, token: u32, head: u32, c: u32, third: u32) -> f32 {
  return select(0.0, f32(qkv[(image * T + token) * 3u * D + third + head + c]), (token < T) & (c < WIDTH));
}
