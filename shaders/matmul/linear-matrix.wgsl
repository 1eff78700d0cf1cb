// linear (matrix): a fully connected layer.
//
//   x [N, C], w [K, C], b [K], r [N, KT]   ->   y [N, KT], columns K0 .. K0 + K
//
//   y[n, K0 + k] = act(b[k] + sum over c of w[k, c] x[n, c]) + r[n, K0 + k]
//
// For GPUs whose subgroups multiply matrices of SIDE x SIDE elements into 32-bit sums. A workgroup of 128 invocations makes 64 rows x 64 columns; a
// subgroup a strip of 16 of the rows, so that four have one each. Where fewer fit into a workgroup they take strips in turn, where more do the rest only
// loads and writes. Slices 16 deep of both factors pass through workgroup memory, with zeros past N, K and C; while a slice is multiplied, the next is on
// its way into registers. Sums leave through workgroup memory too, 16 columns at a time, as a matrix keeps to itself which invocation has which element.
// Summed in the order of c in slices of SIDE, within which the device decides.

enable subgroups;
enable chromium_experimental_subgroup_matrix;

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override HAS_B: u32; override HAS_R: u32;
override ACT: u32;  // 0 none, 1 relu, 2 gelu
override GROUPS: u32;

const SIDE = 8u;
const DEEP = 16u;
const STRIPS = 4u;
const HIGH = 16u / SIDE;    // matrices over each other in a strip
const ACROSS = 64u / SIDE;  // and beside each other
// Rows lie eight further apart than they are long: whole 16 bytes, which matrices are loaded by, and rows of a matrix begin in different banks.
const ROW = DEEP + 8u;

alias Left = subgroup_matrix_left<elem, SIDE, SIDE>;
alias Right = subgroup_matrix_right<elem, SIDE, SIDE>;
alias Sums = subgroup_matrix_result<f32, SIDE, SIDE>;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read> r: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

var<workgroup> rows: array<elem, 1536>;     // [64 of x][DEEP, 8 unused]
var<workgroup> columns: array<elem, 1536>;  // [64 of w][DEEP, 8 unused]
var<workgroup> sums: array<f32, 1024>;      // [64 rows][16 columns]

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32,
        @builtin(subgroup_id) subgroup: u32, @builtin(num_subgroups) subgroups: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (K + 63u) / 64u;
  let row = group / blocks * 64u;
  let column = group % blocks * 64u;

  // What it brings of each slice: an element of eight rows of x and of w, 8 apart.
  let own = lane / DEEP;
  let place = lane % DEEP;
  let to = own * ROW + place;
  for (var first = 0u; first < STRIPS; first += subgroups) {
    let strip = first + subgroup;
    let end = min(first + subgroups, STRIPS);
    var acc: array<Sums, HIGH * ACROSS>;
    for (var i = 0u; i < HIGH * ACROSS; i++) { acc[i] = Sums(); }  // not every compiler clears a variable at each turn of a loop
    var x0 = inputs(row + own, place);
    var x1 = inputs(row + own + 32u, place);
    var w0 = weights(column + own, place);
    var w1 = weights(column + own + 32u, place);
    for (var c = 0u; c < C; c += DEEP) {
      for (var e = 0u; e < 4u; e++) {
        rows[to + e * 8u * ROW] = x0[e];
        rows[to + (e * 8u + 32u) * ROW] = x1[e];
        columns[to + e * 8u * ROW] = w0[e];
        columns[to + (e * 8u + 32u) * ROW] = w1[e];
      }
      workgroupBarrier();
      x0 = inputs(row + own, c + DEEP + place);
      x1 = inputs(row + own + 32u, c + DEEP + place);
      w0 = weights(column + own, c + DEEP + place);
      w1 = weights(column + own + 32u, c + DEEP + place);
      if (strip < STRIPS) {
        for (var d = 0u; d < DEEP; d += SIDE) {
          for (var h = 0u; h < HIGH; h++) {
            let left = subgroupMatrixLoad<Left, row_major>(&rows, (strip * 16u + h * SIDE) * ROW + d, ROW);
            for (var q = 0u; q < ACROSS; q++) {
              let right = subgroupMatrixLoad<Right, col_major>(&columns, q * SIDE * ROW + d, ROW);
              acc[h * ACROSS + q] = subgroupMatrixMultiplyAccumulate(left, right, acc[h * ACROSS + q]);
            }
          }
        }
      }
      workgroupBarrier();
    }

    for (var part = 0u; part < 4u; part++) {
      workgroupBarrier();
      if (strip < STRIPS) {
        for (var h = 0u; h < HIGH; h++) {
          for (var q = 0u; q < HIGH; q++) {
            subgroupMatrixStore<row_major>(&sums, (strip * 16u + h * SIDE) * 16u + q * SIDE, acc[h * ACROSS + part * HIGH + q], 16u);
          }
        }
      }
      workgroupBarrier();
      for (var i = first * 256u + lane; i < end * 256u; i += 128u) {
        let n = row + i / 16u;
        let k = column + part * 16u + i % 16u;
        if (n < N && k < K) { put(n, k, sums[i]); }
      }
    }
  }
}

/// Element c of four rows of x from n on, 8 apart; zeros past the last row and the last element.
fn inputs(n: u32, c: u32) -> vec4<elem> {
  return vec4<elem>(input(n, c), input(n + 8u, c), input(n + 16u, c), input(n + 24u, c));
}

fn input(n: u32, c: u32) -> elem { return select(elem(), x[min(n, N - 1u) * C + min(c, C - 1u)], (n < N) & (c < C)); }

/// The same of w.
fn weights(k: u32, c: u32) -> vec4<elem> {
  return vec4<elem>(weight(k, c), weight(k + 8u, c), weight(k + 16u, c), weight(k + 24u, c));
}

fn weight(k: u32, c: u32) -> elem { return select(elem(), w[min(k, K - 1u) * C + min(c, C - 1u)], (k < K) & (c < C)); }

// shared: put
/// Writes row n, column k from its sum.
fn put(n: u32, k: u32, sum: f32) {
  var v = sum;
  if (HAS_B == 1u) { v += f32(b[k]); }
  if (ACT == 1u && v < 0.0) { v = 0.0; }
  if (ACT == 2u) { v *= normal(v).x; }
  let at = n * KT + K0 + k;
  if (HAS_R == 1u) { v += f32(r[at]); }
  y[at] = elem(v);
}
// end

// shared: normal
/// Standard normal distribution up to v, and its density there.
fn normal(v: f32) -> vec2f {
  let a = min(abs(v), 20.0);  // both are 0 or 1 in f32 long before
  let u = a * a;
  let bell = exp(-0.5 * u);
  let near = a * (0.398942292 + u * (-0.0664903373 + u * (0.00997324102 + u * (-0.00118648866 + u * (0.000114356539
    + u * (-8.71835618e-06 + u * 4.11563093e-07))))));
  let t = 1.0 / (1.0 + 0.4 * a);
  let tail = bell * t * (0.159597307 + t * (0.159074277 + t * (0.139169052 + t * (0.0550102144 + t * (0.106224626
    + t * (-0.187086016 + t * 0.0682916045))))));
  let below = select(tail, 0.5 - near, a < 1.5);
  return vec2f(select(below, select(1.0 - tail, 0.5 + near, a < 1.5), v > 0.0), 0.39894228 * bell);
}
// end
