// attention: softmax(q k^T / sqrt(d)) v for every head, in one pass over the keys.
//
//   qkv [N, T, 3 D]   ->   y [N, T, D]      head h has columns h WIDTH .. (h + 1) WIDTH of q, of k and of v
//
//   s[t, u] = q[t] . k[u] SCALE,   y[t] = sum over u of exp(s[t, u] - m) v[u] / sum over u of exp(s[t, u] - m),   m = max over u of s[t, u]
//
// One invocation a query of a head and 128 columns of the result: of a wider head several, which all compute the scores. When a score
// exceeds those before, what was summed is scaled down to the new maximum (online softmax, M. Milakov and N. Gimelshein 2018), so no
// score is ever stored.

alias elem = f32;

override N: u32; override T: u32; override D: u32;
override HEADS: u32; override WIDTH: u32;  // D / HEADS
override SCALE: f32;                       // 1 / sqrt(WIDTH)
override GX = 64u;

@group(0) @binding(0) var<storage, read> qkv: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

const LIMIT = 128u;  // columns of the result
const LOWEST = -0x1.fffffep+127f;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let spans = (WIDTH + LIMIT - 1u) / LIMIT;  // of columns
  if (i >= N * T * HEADS * spans) { return; }
  let token = i / (HEADS * spans);  // of all images
  let head = i / spans % HEADS * WIDTH;
  let query = token * 3u * D + head;
  let keys = token / T * T * 3u * D + D + head;
  let first = i % spans * LIMIT;  // of columns first ... first + columns - 1
  let columns = min(WIDTH - first, LIMIT);

  var sums: array<f32, LIMIT>;
  var total = 0.0;
  var most = LOWEST;
  for (var u = 0u; u < T; u++) {
    let key = keys + u * 3u * D;
    var score = 0.0;
    for (var c = 0u; c < WIDTH; c++) { score += f32(qkv[query + c]) * f32(qkv[key + c]); }
    score *= SCALE;
    let raised = max(most, score);
    let down = exp(most - raised);
    let weight = exp(score - raised);
    most = raised;
    total = total * down + weight;
    for (var c = 0u; c < columns; c++) { sums[c] = sums[c] * down + weight * f32(qkv[key + D + first + c]); }
  }
  for (var c = 0u; c < columns; c++) { y[token * D + head + first + c] = elem(sums[c] / total); }
}
