// softmax (row): each row as probabilities, or their logarithms (LOG), for software adapters and many rows: one invocation a row.
//
//   x [N, C]   ->   y [N, C]
//
//   p[c] = exp(x[c] - m) / sum over j of exp(x[j] - m),   m = the row's maximum
//   log p[c] = x[c] - m - log(sum over j of exp(x[j] - m))
//
// A CPU that runs shaders pays for a barrier as for a hundred loads: four rows side by side need none.

alias elem = f32;

override N: u32; override C: u32;
override LOG: u32;  // 0 probabilities, 1 their logarithms
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

fn four(at: u32) -> vec4f { return vec4f(f32(x[at]), f32(x[at + 1u]), f32(x[at + 2u]), f32(x[at + 3u])); }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let start = min(group * LANES + lane, N - 1u) * C;  // the last row again past the end
  let end = start + C;
  let even = end - C % 4u;  // fours up to here

  var highs = vec4f(f32(x[start]));
  for (var at = start; at < even; at += 4u) { highs = max(highs, four(at)); }
  var most = max(max(highs.x, highs.y), max(highs.z, highs.w));
  for (var at = even; at < end; at++) { most = max(most, f32(x[at])); }

  var sums = vec4f();
  for (var at = start; at < even; at += 4u) { sums += exp(four(at) - most); }
  var sum = (sums.x + sums.y) + (sums.z + sums.w);
  for (var at = even; at < end; at++) { sum += exp(f32(x[at]) - most); }

  let down = log(sum);
  for (var at = start; at < even; at += 4u) {
    let v = four(at) - most;
    let p = select(exp(v) / sum, v - down, LOG == 1u);
    y[at] = elem(p.x); y[at + 1u] = elem(p.y); y[at + 2u] = elem(p.z); y[at + 3u] = elem(p.w);
  }
  for (var at = even; at < end; at++) {
    let v = f32(x[at]) - most;
    y[at] = elem(select(exp(v) / sum, v - down, LOG == 1u));
  }
}
