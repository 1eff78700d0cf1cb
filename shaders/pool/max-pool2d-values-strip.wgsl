// maxPool2dValues (strip): the largest element of each window of at most 3 x 3, for software adapters: 7 neighbours of a row an invocation.
//
//   x [N, C, H, W]   ->   y [N, C, P, Q]
//
//   y[n, c, p, q] = max over r, s of x[n, c, p SH - PH + r DH, q SW - PW + s DW], padding left out
//
// A NaN wins over every number. A CPU that runs shaders pays for a division as for several loads, and for a branch in each lane: so a strip
// shares its index arithmetic, a window's taps are written out, and elements are selected. Where no window reaches into padding nothing is tested.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override R: u32; override S: u32; override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override GX = 16u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

// shared: isNan
// Comparisons with NaN may be optimised away; its bits may not.
fn isNan(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }
// end

struct Best { value: f32, found: bool }

fn is_whole() -> bool {
  return (PH + PW == 0u) & ((P - 1u) * SH + (R - 1u) * DH < H) & ((Q - 1u) * SW + (S - 1u) * DW < W);
}

/// A row or column before the first wraps to a huge number.
fn tap(best: Best, map: u32, h: u32, w: u32) -> Best {
  let inside = is_whole() | ((h < H) & (w < W));
  let v = f32(x[map + h * W + w]);
  let wins = inside & (!best.found | (v > best.value) | isNan(v));
  return Best(select(best.value, v, wins), best.found | inside);
}

fn row(best: Best, map: u32, h: u32, w: u32) -> Best {
  var b = tap(best, map, h, w);
  if (S > 1u) { b = tap(b, map, h, w + DW); }
  if (S > 2u) { b = tap(b, map, h, w + 2u * DW); }
  return b;
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let across = (Q + 6u) / 7u;
  if (i >= N * C * P * across) { return; }
  let first = i % across * 7u;
  let line = i / across;  // of y
  let map = line / P * (H * W);
  let h = line % P * SH - PH;
  for (var q = first; q < min(first + 7u, Q); q++) {
    let w = q * SW - PW;
    var b = row(Best(0.0, false), map, h, w);
    if (R > 1u) { b = row(b, map, h + DH, w); }
    if (R > 2u) { b = row(b, map, h + 2u * DH, w); }
    y[line * Q + q] = elem(b.value);
  }
}
