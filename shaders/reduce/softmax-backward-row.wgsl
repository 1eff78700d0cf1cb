// softmaxBackward (row): gradient of softmax, or of log-softmax (LOG), from its result, for software adapters and many rows: one invocation a row.
//
//   dy [N, C], y [N, C]   ->   dx [N, C]
//
//   softmax      dx[c] = y[c] (dy[c] - sum over j of y[j] dy[j])
//   log-softmax  dx[c] = dy[c] - exp(y[c]) sum over j of dy[j]
//
// A CPU that runs shaders pays for a barrier as for a hundred loads: four rows side by side need none.

alias elem = f32;

override N: u32; override C: u32;
override LOG: u32;  // 0 softmax, 1 log-softmax
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> y: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let start = min(group * LANES + lane, N - 1u) * C;  // the last row again past the end
  let end = start + C;

  // Two sums, for a shorter chain of roundings.
  var sums = vec2f();
  for (var at = start; at + 1u < end; at += 2u) {
    let gradient = vec2f(f32(dy[at]), f32(dy[at + 1u]));
    sums += gradient * select(vec2f(f32(y[at]), f32(y[at + 1u])), vec2f(1.0), LOG == 1u);
  }
  var sum = sums.x + sums.y;
  if (C % 2u == 1u) { sum += f32(dy[end - 1u]) * select(f32(y[end - 1u]), 1.0, LOG == 1u); }

  for (var at = start; at < end; at++) {
    let gradient = f32(dy[at]);
    let result = f32(y[at]);
    dx[at] = elem(select(result * (gradient - sum), gradient - exp(result) * sum, LOG == 1u));
  }
}
