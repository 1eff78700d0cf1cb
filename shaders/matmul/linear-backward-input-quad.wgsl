// linearBackwardInput (quad): gradient of linear with respect to its input, for software adapters with subgroups: ROWS rows x 4 columns an invocation.
//
//   dy [N, KT] columns K0 .. K0 + K, w [K, C]   ->   dx [N, C]
//
//   dx[n, c] = sum over k of w[k, c] dy[n, K0 + k]      (+ what dx held, if ACCUMULATE)
//
// As linear (quad): the four invocations of a quad never load an element twice. Each has a vec4 of columns of its own, and of every four rows
// of dy one, of which it gives four elements at a time to the others by quadBroadcast: with 8 rows 6 loads of vec4s feed 128 multiply-adds
// in each, with 16 rows 8 feed 256. So C, K, K0 and KT divide by 4. A workgroup is a quad, or two beside each other where eight invocations
// run at once: its LANES invocations are numbered by their place in the subgroup, so subgroups may have any size from LANES on.
// Summed in the order of k, whatever N is.

enable subgroups;
alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override ROWS: u32;  // 8 or 16
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> dy: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<elem>>;

/// Where row n of dy begins, in vec4s; rows past the end repeat the last.
fn row(n: u32) -> u32 { return (min(n, N - 1u) * KT + K0) / 4u; }

// shared: addFour
/// Four vec4s at four places of what is summed over.
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

/// A sum of four results, and what four places add to it.
fn add(sum: vec4f, f: Four, v: vec4f) -> vec4f {
  return fma(f.d, v.wwww, fma(f.c, v.zzzz, fma(f.b, v.yyyy, fma(f.a, v.xxxx, sum))));
}
// end

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(subgroup_invocation_id) id: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let lane = id % 4u;
  let blocks = (N + ROWS - 1u) / ROWS;
  let n = group % blocks * ROWS;
  let column = group / blocks * LANES + id;  // of vec4s

  let width = C / 4u;
  let r0 = row(n + lane); let r1 = row(n + 4u + lane); let r2 = row(n + 8u + lane); let r3 = row(n + 12u + lane);
  var at = min(column, width - 1u);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var a8 = vec4f(); var a9 = vec4f(); var a10 = vec4f(); var a11 = vec4f(); var a12 = vec4f(); var a13 = vec4f(); var a14 = vec4f(); var a15 = vec4f();
  for (var k = 0u; k < K / 4u; k++) {
    let f = Four(vec4f(w[at]), vec4f(w[at + width]), vec4f(w[at + 2u * width]), vec4f(w[at + 3u * width]));
    let v0 = vec4f(dy[r0 + k]);
    a0 = add(a0, f, quadBroadcast(v0, 0u)); a1 = add(a1, f, quadBroadcast(v0, 1u));
    a2 = add(a2, f, quadBroadcast(v0, 2u)); a3 = add(a3, f, quadBroadcast(v0, 3u));
    let v1 = vec4f(dy[r1 + k]);
    a4 = add(a4, f, quadBroadcast(v1, 0u)); a5 = add(a5, f, quadBroadcast(v1, 1u));
    a6 = add(a6, f, quadBroadcast(v1, 2u)); a7 = add(a7, f, quadBroadcast(v1, 3u));
    if (ROWS > 8u) {
      let v2 = vec4f(dy[r2 + k]);
      a8 = add(a8, f, quadBroadcast(v2, 0u)); a9 = add(a9, f, quadBroadcast(v2, 1u));
      a10 = add(a10, f, quadBroadcast(v2, 2u)); a11 = add(a11, f, quadBroadcast(v2, 3u));
      let v3 = vec4f(dy[r3 + k]);
      a12 = add(a12, f, quadBroadcast(v3, 0u)); a13 = add(a13, f, quadBroadcast(v3, 1u));
      a14 = add(a14, f, quadBroadcast(v3, 2u)); a15 = add(a15, f, quadBroadcast(v3, 3u));
    }
    at += 4u * width;
  }
  if (column >= width) { return; }

  let sums = array<vec4f, 16>(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15);
  for (var i = 0u; i < ROWS; i++) {
    if (n + i >= N) { continue; }
    let to = (n + i) * width + column;
    var v = sums[i];
    if (ACCUMULATE == 1u) { v += vec4f(dx[to]); }
    dx[to] = vec4<elem>(v);
  }
}
