// linearBackwardInput (block): gradient of linear with respect to its input.
//
//   dy [N, KT] columns K0 .. K0 + K, w [K, C]   ->   dx [N, C]
//
//   dx[n, c] = sum over k of w[k, c] dy[n, K0 + k]      (+ what dx held, if ACCUMULATE)
//
// Matrix product for GPUs, built as linear (block): 64 rows x 64 columns a workgroup, 8 x 4 an invocation, slices 16 deep of both factors in workgroup
// memory, 8 KiB, the next on its way through registers. Half of the invocations bring dy, a square of 4 x 4 each, turned so that rows lie side by side, vec4 i of
// depth d at place i ^ (d / 4 * 2); the other half bring rows of w as they are (C divides by 4). Loads outside are clamped, those past K then zero.
// Summed in the order of k.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<elem>>;

var<workgroup> left: array<vec4f, 256>;   // [16 deep][16], rows of dy
var<workgroup> right: array<vec4f, 256>;  // [16 deep][16], columns of w

/// Four vec4s: four rows at a place k each, or four depths of a column of vec4s.
struct Square { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let blocks = (C + 63u) / 64u;
  let row = group / blocks * 64u;
  let column = group % blocks * 16u;  // of vec4s

  let brings_dy = lane < 64u;
  let deep = lane % 4u;        // dy: which four of a slice's sixteen it brings
  let four = lane % 64u / 4u;  // dy: of which four rows
  let across = lane % 16u;     // w: which vec4
  let down = lane % 64u / 16u; // w: from which depth on, four apart
  let to = select(down * 16u + across, deep * 64u + (four ^ (deep * 2u)), brings_dy);
  let i = lane / 16u * 2u;     // vec4s i and i + 1 of rows
  let j = lane % 16u;          // vec4 j of columns

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var next = Square();
  if (brings_dy) { next = gradients(row + four * 4u, deep * 4u); } else { next = weights(column + across, down); }
  for (var t = 0u; t < K; t += 16u) {
    keep(brings_dy, to, next);
    workgroupBarrier();
    if (brings_dy) { next = gradients(row + four * 4u, t + 16u + deep * 4u); } else { next = weights(column + across, t + 16u + down); }
    for (var d = 0u; d < 16u; d++) {
      let turn = d / 4u * 2u;
      let u = left[d * 16u + (i ^ turn)];
      let v = left[d * 16u + ((i + 1u) ^ turn)];
      let f = right[d * 16u + j];
      a0 = fma(u.xxxx, f, a0); a1 = fma(u.yyyy, f, a1); a2 = fma(u.zzzz, f, a2); a3 = fma(u.wwww, f, a3);
      a4 = fma(v.xxxx, f, a4); a5 = fma(v.yyyy, f, a5); a6 = fma(v.zzzz, f, a6); a7 = fma(v.wwww, f, a7);
    }
    workgroupBarrier();
  }

  if (column + j >= C / 4u) { return; }
  let sums = array<vec4f, 8>(a0, a1, a2, a3, a4, a5, a6, a7);
  for (var e = 0u; e < 8u; e++) {
    let n = row + i * 4u + e;
    if (n >= N) { continue; }
    let place = n * (C / 4u) + column + j;
    var v = sums[e];
    if (ACCUMULATE == 1u) { v += vec4f(dx[place]); }
    dx[place] = vec4<elem>(v);
  }
}

/// Writes rows of dy turned, so that the four lie side by side; depths of w as they are, four apart.
fn keep(is_left: bool, to: u32, s: Square) {
  if (is_left) {
    left[to] = vec4f(s.a.x, s.b.x, s.c.x, s.d.x);
    left[to + 16u] = vec4f(s.a.y, s.b.y, s.c.y, s.d.y);
    left[to + 32u] = vec4f(s.a.z, s.b.z, s.c.z, s.d.z);
    left[to + 48u] = vec4f(s.a.w, s.b.w, s.c.w, s.d.w);
  } else {
    right[to] = s.a; right[to + 64u] = s.b; right[to + 128u] = s.c; right[to + 192u] = s.d;
  }
}

/// Elements k ... k + 3 of rows n ... n + 3 of dy; rows past the end repeat the last, zeros past K.
fn gradients(n: u32, k: u32) -> Square { return Square(gradient(n, k), gradient(n + 1u, k), gradient(n + 2u, k), gradient(n + 3u, k)); }

fn gradient(n: u32, k: u32) -> vec4f {
  let at = min(n, N - 1u) * KT + K0;
  let places = min(vec4u(k, k + 1u, k + 2u, k + 3u), vec4u(K - 1u));
  let v = vec4f(f32(dy[at + places.x]), f32(dy[at + places.y]), f32(dy[at + places.z]), f32(dy[at + places.w]));
  return select(vec4f(), v, vec4u(k, k + 1u, k + 2u, k + 3u) < vec4u(K));
}

/// Vec4 c of rows k, k + 4, k + 8, k + 12 of w.
fn weights(c: u32, k: u32) -> Square { return Square(weight(c, k), weight(c, k + 4u), weight(c, k + 8u), weight(c, k + 12u)); }

fn weight(c: u32, k: u32) -> vec4f {
  return select(vec4f(), vec4f(w[min(k, K - 1u) * (C / 4u) + min(c, C / 4u - 1u)]), k < K);
}
