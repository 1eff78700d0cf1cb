// layerNormBackward (row): gradient of layerNorm with respect to its input, for software adapters: one invocation a row.
//
//   dy x [M, D], w [D]   ->   dx [M, D]      D divides by 4
//
//   h[d] = (x[m, d] - mean[m]) r,   r = 1 / sqrt(variance[m] + EPS),   g[d] = dy[m, d] w[d]
//   dx[m, d] = r (g[d] - mean over j of g[j] - h[d] mean over j of g[j] h[j])
//
// As layerNorm (row): no barriers, moments place by place.

alias elem = f32;

override M: u32; override D: u32;
override EPS: f32;
override GROUPS: u32;
override LANES = 4u;  // 4 or 8

@group(0) @binding(0) var<storage, read> dy: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<elem>>;

fn total(v: vec4f) -> f32 { return (v.x + v.y) + (v.z + v.w); }

// shared: momentsOfRow
/// Of the row whose fours begin at `start`: its first element, how far from that the mean is, and 1 / sqrt(variance + EPS).
fn momentsOfRow(start: u32) -> vec3f {
  let first = f32(x[start].x);
  var means = vec4f();
  var squares = vec4f();
  for (var d = 0u; d < D / 4u; d++) {
    let v = vec4f(x[start + d]) - first;
    let off = v - means;
    means += off / f32(d + 1u);
    squares = fma(off, v - means, squares);
  }
  let mean = total(means) / 4.0;
  let apart = means - mean;
  let variance = (total(squares) + f32(D / 4u) * total(apart * apart)) / f32(D);
  return vec3f(first, mean, 1.0 / sqrt(variance + EPS));
}
// end

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let start = min(group * LANES + lane, M - 1u) * (D / 4u);  // the last row again past the end
  let moments = momentsOfRow(start);
  var g_sum = vec4f();
  var gh_sum = vec4f();
  for (var d = 0u; d < D / 4u; d++) {
    let g = vec4f(dy[start + d]) * vec4f(w[d]);
    let h = ((vec4f(x[start + d]) - moments.x) - moments.y) * moments.z;
    g_sum += g;
    gh_sum = fma(g, h, gh_sum);
  }
  let mean = total(g_sum) / f32(D);
  let along = total(gh_sum) / f32(D);
  for (var d = 0u; d < D / 4u; d++) {
    let g = vec4f(dy[start + d]) * vec4f(w[d]);
    let h = ((vec4f(x[start + d]) - moments.x) - moments.y) * moments.z;
    dx[start + d] = vec4<elem>((g - mean - h * along) * moments.z);
  }
}
