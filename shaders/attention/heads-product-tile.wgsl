// attentionScores, attentionOutput, attentionProbabilitiesGradient, attentionQueryGradient, attentionKeyGradient, attentionValueGradient (tile): a matrix product for every image and head, for software adapters: 8 rows x 16 columns an invocation.
//
//   a, b   ->   y: tensors of any layout, by their strides
//
//   y[n, head, i, j] = SCALE sum over t of a[n, head, i, t] b[n, head, t, j]
//
// Registers and the small storing loop are those of conv2d-tile. A workgroup makes 32 rows x 64 columns; neighbours in a four
// take neighbouring rows. Rows and columns past the end repeat the last. Summed in the order of t.

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

fn row(left: u32, i: u32) -> u32 { return left + min(i, ROWS - 1u) * A_ROW; }

fn column(right: u32, j: u32) -> u32 { return right + min(j, COLUMNS - 1u) * B_COLUMN; }

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let across = (COLUMNS + 63u) / 64u;
  let down = (ROWS + 31u) / 32u;
  let head = group / (across * down) % HEADS;
  let n = group / (across * down * HEADS);
  let i = group / across % down * 32u + lane % 4u;  // of rows i, i + 4, ... i + 28
  let first = group % across * 64u + lane / 4u * 16u;
  if (first >= COLUMNS) { return; }
  let left = A_FIRST + n * A_IMAGE + head * A_HEAD;
  let right = B_FIRST + n * B_IMAGE + head * B_HEAD;

  let r0 = row(left, i + 0u); let r1 = row(left, i + 4u); let r2 = row(left, i + 8u); let r3 = row(left, i + 12u);
  let r4 = row(left, i + 16u); let r5 = row(left, i + 20u); let r6 = row(left, i + 24u); let r7 = row(left, i + 28u);
  let f0 = column(right, first + 0u); let f1 = column(right, first + 1u); let f2 = column(right, first + 2u); let f3 = column(right, first + 3u);
  let f4 = column(right, first + 4u); let f5 = column(right, first + 5u); let f6 = column(right, first + 6u); let f7 = column(right, first + 7u);
  let f8 = column(right, first + 8u); let f9 = column(right, first + 9u); let f10 = column(right, first + 10u); let f11 = column(right, first + 11u);
  let f12 = column(right, first + 12u); let f13 = column(right, first + 13u); let f14 = column(right, first + 14u); let f15 = column(right, first + 15u);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f(); var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f(); var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f(); var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
  var u = 0u;
  var v = 0u;
  for (var t = 0u; t < INNER; t++) {
    let wa = vec4f(f32(b[f0 + v]), f32(b[f1 + v]), f32(b[f2 + v]), f32(b[f3 + v]));
    let wb = vec4f(f32(b[f4 + v]), f32(b[f5 + v]), f32(b[f6 + v]), f32(b[f7 + v]));
    let wc = vec4f(f32(b[f8 + v]), f32(b[f9 + v]), f32(b[f10 + v]), f32(b[f11 + v]));
    let wd = vec4f(f32(b[f12 + v]), f32(b[f13 + v]), f32(b[f14 + v]), f32(b[f15 + v]));
    let x0 = vec4f(f32(a[r0 + u]));
    a0 = fma(wa, x0, a0); b0 = fma(wb, x0, b0); c0 = fma(wc, x0, c0); d0 = fma(wd, x0, d0);
    let x1 = vec4f(f32(a[r1 + u]));
    a1 = fma(wa, x1, a1); b1 = fma(wb, x1, b1); c1 = fma(wc, x1, c1); d1 = fma(wd, x1, d1);
    let x2 = vec4f(f32(a[r2 + u]));
    a2 = fma(wa, x2, a2); b2 = fma(wb, x2, b2); c2 = fma(wc, x2, c2); d2 = fma(wd, x2, d2);
    let x3 = vec4f(f32(a[r3 + u]));
    a3 = fma(wa, x3, a3); b3 = fma(wb, x3, b3); c3 = fma(wc, x3, c3); d3 = fma(wd, x3, d3);
    let x4 = vec4f(f32(a[r4 + u]));
    a4 = fma(wa, x4, a4); b4 = fma(wb, x4, b4); c4 = fma(wc, x4, c4); d4 = fma(wd, x4, d4);
    let x5 = vec4f(f32(a[r5 + u]));
    a5 = fma(wa, x5, a5); b5 = fma(wb, x5, b5); c5 = fma(wc, x5, c5); d5 = fma(wd, x5, d5);
    let x6 = vec4f(f32(a[r6 + u]));
    a6 = fma(wa, x6, a6); b6 = fma(wb, x6, b6); c6 = fma(wc, x6, c6); d6 = fma(wd, x6, d6);
    let x7 = vec4f(f32(a[r7 + u]));
    a7 = fma(wa, x7, a7); b7 = fma(wb, x7, b7); c7 = fma(wc, x7, c7); d7 = fma(wd, x7, d7);
    u += A_INNER;
    v += B_INNER;
  }

  let sums = array<vec4f, 32>(
    a0, a1, a2, a3, a4, a5, a6, a7,
    b0, b1, b2, b3, b4, b5, b6, b7,
    c0, c1, c2, c3, c4, c5, c6, c7,
    d0, d1, d2, d3, d4, d5, d6, d7,
  );
  for (var e = 0u; e < 32u; e++) {
    let m = i + e % 8u * 4u;
    if (m >= ROWS) { continue; }
    let at = Y_FIRST + n * Y_IMAGE + head * Y_HEAD + m * Y_ROW;
    let j = first + e / 8u * 4u;
    put(at, j, sums[e].x);
    put(at, j + 1u, sums[e].y);
    put(at, j + 2u, sums[e].z);
    put(at, j + 3u, sums[e].w);
  }
}

fn put(at: u32, j: u32, sum: f32) {
  if (j >= COLUMNS) { return; }
  y[at + j] = elem(SCALE * sum);
}
