// linearBackwardInput (gemv): gradient of linear with respect to its input, for up to 4 rows, for GPUs.
//
//   dy [N, KT] columns K0 .. K0 + K, w [K, C]   ->   dx [N, C]
//
//   dx[n, c] = sum over k of w[k, c] dy[n, K0 + k]      (+ what dx held, if ACCUMULATE)
//
// Bound by reading w: a weight is used N times only. A workgroup makes 64 columns of all rows: of its 256 invocations, 16 neighbours read 256 bytes of a
// row of w as vec4s (C divides by 4), sixteen such parts every sixteenth row each; so w is read once. Then the parts' sums are added through
// workgroup memory, 4 KiB a row. Summed by part, in the order of k within one, then in the order of parts.

alias elem = f32;

override N: u32; override C: u32; override K: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<elem>>;

var<workgroup> partial: array<vec4f, 256u * N>;  // [N][16 parts][16 vec4s of columns]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let column = group * 16u;
  let c = min(column + lane % 16u, C / 4u - 1u);
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  for (var k = lane / 16u; k < K; k += 16u) {
    let v = vec4f(w[k * (C / 4u) + c]);
    a0 = fma(v, vec4f(f32(dy[K0 + k])), a0);
    if (N > 1u) { a1 = fma(v, vec4f(f32(dy[KT + K0 + k])), a1); }
    if (N > 2u) { a2 = fma(v, vec4f(f32(dy[2u * KT + K0 + k])), a2); }
    if (N > 3u) { a3 = fma(v, vec4f(f32(dy[3u * KT + K0 + k])), a3); }
  }
  partial[lane] = a0;
  if (N > 1u) { partial[256u + lane] = a1; }
  if (N > 2u) { partial[512u + lane] = a2; }
  if (N > 3u) { partial[768u + lane] = a3; }
  workgroupBarrier();

  let n = lane / 16u;
  if ((n >= N) | (column + lane % 16u >= C / 4u)) { return; }
  var sum = vec4f();
  for (var part = 0u; part < 16u; part++) { sum += partial[n * 256u + part * 16u + lane % 16u]; }
  let at = n * (C / 4u) + column + lane % 16u;
  if (ACCUMULATE == 1u) { sum += vec4f(dx[at]); }
  dx[at] = vec4<elem>(sum);
}
