// attentionScores, attentionOutput, attentionProbabilitiesGradient, attentionQueryGradient, attentionKeyGradient, attentionValueGradient: a matrix product for every image and head; what attention and its gradients are made of.
//
//   a, b   ->   y: tensors of any layout, by their strides
//
//   y[n, head, i, j] = SCALE sum over t of a[n, head, i, t] b[n, head, t, j]
//
// One invocation an element of y. Summed in the order of t.

alias elem = f32;

override N: u32; override HEADS: u32;
override ROWS: u32; override COLUMNS: u32; override INNER: u32;
override A_FIRST: u32; override A_IMAGE: u32; override A_HEAD: u32; override A_ROW: u32; override A_INNER: u32;
override B_FIRST: u32; override B_IMAGE: u32; override B_HEAD: u32; override B_INNER: u32; override B_COLUMN: u32;
override Y_FIRST: u32; override Y_IMAGE: u32; override Y_HEAD: u32; override Y_ROW: u32;
override SCALE: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> a: array<elem>;
@group(0) @binding(1) var<storage, read> b: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let e = (wid.y * nwg.x + wid.x) * GX + lane;
  if (e >= N * HEADS * ROWS * COLUMNS) { return; }
  let j = e % COLUMNS;
  let i = e / COLUMNS % ROWS;
  let head = e / (COLUMNS * ROWS) % HEADS;
  let n = e / (COLUMNS * ROWS * HEADS);
  let left = A_FIRST + n * A_IMAGE + head * A_HEAD + i * A_ROW;
  let right = B_FIRST + n * B_IMAGE + head * B_HEAD + j * B_COLUMN;
  var sum = 0.0;
  for (var t = 0u; t < INNER; t++) { sum += f32(a[left + t * A_INNER]) * f32(b[right + t * B_INNER]); }
  y[Y_FIRST + n * Y_IMAGE + head * Y_HEAD + i * Y_ROW + j] = elem(SCALE * sum);
}
