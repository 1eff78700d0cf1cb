// attentionScores, attentionOutput, attentionProbabilitiesGradient, attentionQueryGradient, attentionKeyGradient, attentionValueGradient (block): a matrix product for every image and head.
//
//   a, b   ->   y: tensors of any layout, by their strides
//
//   y[n, head, i, j] = SCALE sum over t of a[n, head, i, t] b[n, head, t, j]
//
// For GPUs: a workgroup makes 64 rows x 64 columns, an invocation 4 x 4 of them; slices 8 deep of both factors pass through workgroup
// memory (4.25 KiB), read with neighbours on neighbouring addresses whichever way a factor lies. Loads outside are selected away
// instead of branched around. Summed in the order of t.

alias elem = f32;

override HEADS: u32;
override ROWS: u32; override COLUMNS: u32; override INNER: u32;
override A_FIRST: u32; override A_IMAGE: u32; override A_HEAD: u32; override A_ROW: u32; override A_INNER: u32;
override B_FIRST: u32; override B_IMAGE: u32; override B_HEAD: u32; override B_INNER: u32; override B_COLUMN: u32;
override Y_FIRST: u32; override Y_IMAGE: u32; override Y_HEAD: u32; override Y_ROW: u32;
override SCALE: f32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> b: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

const DEPTH = 8u;
const PITCH = 68u;  // what neighbours in depth store at once falls into banks of its own
var<workgroup> above: array<f32, 544>;   // [DEPTH][64 rows, to PITCH]
var<workgroup> beside: array<f32, 544>;  // [DEPTH][64 columns, to PITCH]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let across = (COLUMNS + 63u) / 64u;
  let down = (ROWS + 63u) / 64u;
  let head = group / (across * down) % HEADS;
  let n = group / (across * down * HEADS);
  let row = group / across % down * 64u;
  let column = group % across * 64u;
  let left = A_FIRST + n * A_IMAGE + head * A_HEAD;
  let right = B_FIRST + n * B_IMAGE + head * B_HEAD;

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  let i = lane / 16u * 4u;  // rows row + i ... row + i + 3
  let j = lane % 16u * 4u;  // columns column + j ... column + j + 3
  for (var t = 0u; t < INNER; t += DEPTH) {
    for (var u = lane; u < 512u; u += 256u) {
      let p = place(u, A_INNER == 1u);
      above[p.y * PITCH + p.x] = factor_a(left, row + p.x, t + p.y);
      let q = place(u, B_INNER == 1u);
      beside[q.y * PITCH + q.x] = factor_b(right, t + q.y, column + q.x);
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      let l = d * PITCH + i;
      let r = d * PITCH + j;
      let v = vec4f(beside[r], beside[r + 1u], beside[r + 2u], beside[r + 3u]);
      a0 = fma(vec4f(above[l]), v, a0);
      a1 = fma(vec4f(above[l + 1u]), v, a1);
      a2 = fma(vec4f(above[l + 2u]), v, a2);
      a3 = fma(vec4f(above[l + 3u]), v, a3);
    }
    workgroupBarrier();
  }

  let sums = array<vec4f, 4>(a0, a1, a2, a3);
  for (var e = 0u; e < 16u; e++) {
    let m = row + i + e / 4u;
    let c = column + j + e % 4u;
    if ((m < ROWS) & (c < COLUMNS)) {
      y[Y_FIRST + n * Y_IMAGE + head * Y_HEAD + m * Y_ROW + c] = elem(SCALE * sums[e / 4u][e % 4u]);
    }
  }
}

/// Which of 64 lines, and how deep, the u-th load is: `deep` where neighbours in depth are neighbours in memory.
fn place(u: u32, deep: bool) -> vec2u {
  return select(vec2u(u % 64u, u / 64u), vec2u(u / DEPTH, u % DEPTH), deep);
}

fn factor_a(left: u32, i: u32, t: u32) -> f32 {
  return select(0.0, f32(a[left + i * A_ROW + t * A_INNER]), (i < ROWS) & (t < INNER));
}

fn factor_b(right: u32, t: u32, j: u32) -> f32 {
  return select(0.0, f32(b[right + t * B_INNER + j * B_COLUMN]), (j < COLUMNS) & (t < INNER));
}
