// maskSum: masks added up with the scores of the images they mask.
//
//   masks [K, H, W], scores [N, KT], at [5] = ..., first, ..., over [H, W]   ->   y [N, H, W]
//
//   y[n, i] = (what it held, unless START) + SCALE sum over m of scores[n, first + m] share(masks[m, i]),   share(m) = m, or 1 - m
//   then divided by over[i], where it is given
//
// One invocation a pixel of an image; summed in the order of m.

alias elem = f32;

override K: u32; override N: u32; override KT: u32; override H: u32; override W: u32;
override HAS_OVER: u32;
override START: u32; override COMPLEMENT: u32; override SCALE: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> masks: array<elem>;
@group(0) @binding(1) var<storage, read> scores: array<elem>;
@group(0) @binding(2) var<storage, read> at: array<u32>;
@group(0) @binding(3) var<storage, read> over: array<elem>;
@group(0) @binding(4) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let area = H * W;
  if (i >= N * area) { return; }
  let row = i / area * KT + at[1];
  var sum = 0.0;
  for (var m = 0u; m < K; m++) {
    let mask = f32(masks[m * area + i % area]);
    sum += f32(scores[row + m]) * select(mask, 1.0 - mask, COMPLEMENT == 1u);
  }
  var v = SCALE * sum;
  if (START == 0u) { v += f32(y[i]); }
  if (HAS_OVER == 1u) { v /= f32(over[i % area]); }
  y[i] = elem(v);
}
