// conv2d (product): cross-correlation with 1 x 1 filters, for GPUs.
//
//   x [N, C, P, Q], w [K, CG, 1, 1], b [K]   ->   y [N, KT, P, Q], channels K0 .. K0 + K
//
//   y[n, K0 + k, p, q] = act(b[k] + sum over c of w[k, c] x[n, g CG + c, p, q])
//
// A matrix product for each image: a workgroup of 128 invocations makes 64 filters x 64 pixels (of all images), an invocation 8 x 4 of them. All
// loads and stores are of vec4s: of four channels of a filter (CG divides by 4), of four pixels (P Q divides by 4). Slices 16 channels deep pass
// through workgroup memory (8 KiB); 12 vec4s from it feed 128 multiply-adds, and the next slice is on its way into registers meanwhile. Places are
// counted on, nothing is divided or compared but the end of the channels. Filters lie 66 apart, an invocation's stand 8 apart: neighbours meet no bank twice.
// Expected to win over conv2d (block) by its 16-byte loads of x and by having no places to compute.
// Summed in the order c.

alias elem = f32;

override N: u32; override C: u32;
override K: u32; override CG: u32;
override P: u32; override Q: u32;
override GROUPED: u32;
override K0: u32; override KT: u32;
override HAS_B: u32;
override ACT: u32;  // 0 none, 1 relu
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> x: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read> b: array<elem>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<elem>>;

var<workgroup> left: array<vec4f, 264>;   // [4 fours of channels][64 filters, 2 unused]
var<workgroup> right: array<vec4f, 256>;  // [16 channels][16 fours of pixels]

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let area = P * Q / 4u;  // all pixels are counted in fours
  let blocks = (N * area + 15u) / 16u;
  let per = K / GROUPED;
  let tiles = (per + 63u) / 64u;
  let part = group / blocks / tiles;
  let end = (part + 1u) * per;
  let k = part * per + group / blocks % tiles * 64u;
  let column = group % blocks * 16u;

  // What it brings of each slice: four channels of two filters, two channels of four pixels. What is past the end repeats the last.
  let four = lane % 4u;
  let to = four * 66u + lane / 4u;
  let w0 = min(k + lane / 4u, end - 1u) * (CG / 4u);
  let w1 = min(k + lane / 4u + 32u, end - 1u) * (CG / 4u);
  let deep = lane / 16u;
  let source = min(column + lane % 16u, N * area - 1u);
  let x0 = (source / area * C + part * CG) * area + source % area;
  // What it makes: filters k + i, 8 on, ... of the four pixels column + j.
  let i = lane / 16u;
  let j = lane % 16u;
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f(); var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var left0 = weight(w0, four);
  var left1 = weight(w1, four);
  var right0 = input(x0, deep);
  var right1 = input(x0, deep + 8u);
  for (var c = 0u; c < CG; c += 16u) {
    left[to] = left0;
    left[to + 32u] = left1;
    right[lane] = right0;
    right[lane + 128u] = right1;
    workgroupBarrier();
    left0 = weight(w0, c / 4u + 4u + four);
    left1 = weight(w1, c / 4u + 4u + four);
    right0 = input(x0, c + 16u + deep);
    right1 = input(x0, c + 24u + deep);
    for (var d = 0u; d < 4u; d++) {
      let l = d * 66u + i;
      let r = d * 64u + j;
      let v = mat4x4f(right[r], right[r + 16u], right[r + 32u], right[r + 48u]);
      a0 = add_taps(a0, left[l], v); a1 = add_taps(a1, left[l + 8u], v);
      a2 = add_taps(a2, left[l + 16u], v); a3 = add_taps(a3, left[l + 24u], v);
      a4 = add_taps(a4, left[l + 32u], v); a5 = add_taps(a5, left[l + 40u], v);
      a6 = add_taps(a6, left[l + 48u], v); a7 = add_taps(a7, left[l + 56u], v);
    }
    workgroupBarrier();
  }

  if (column + j >= N * area) { return; }
  let plane = ((column + j) / area * KT + K0) * area + (column + j) % area;
  let sums = array<vec4f, 8>(a0, a1, a2, a3, a4, a5, a6, a7);
  for (var e = 0u; e < 8u; e++) {
    let f = k + i + e * 8u;
    if (f >= end) { continue; }
    var v = sums[e];
    if (HAS_B == 1u) { v += vec4f(f32(b[f])); }
    if (ACT == 1u) { v = select(v, vec4f(), v < vec4f()); }
    y[plane + f * area] = vec4<elem>(v);
  }
}

/// Vec4 c of the filter that begins at `first`; zeros past its end.
fn weight(first: u32, c: u32) -> vec4f {
  return select(vec4f(), vec4f(w[first + min(c, CG / 4u - 1u)]), c < CG / 4u);
}

/// Four pixels of channel c; zeros past the last channel.
fn input(first: u32, c: u32) -> vec4f {
  return select(vec4f(), vec4f(x[first + min(c, CG - 1u) * (P * Q / 4u)]), c < CG);
}

// shared: addTaps
/// Adds four taps f times what four pixels have there.
fn add_taps(sum: vec4f, f: vec4f, v: mat4x4f) -> vec4f {
  return fma(f.wwww, v[3], fma(f.zzzz, v[2], fma(f.yyyy, v[1], fma(f.xxxx, v[0], sum))));
}
// end
