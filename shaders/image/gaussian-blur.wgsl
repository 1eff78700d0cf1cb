// gaussianBlur: a weighted mean of each element's neighbours along one axis, mirrored at the border.
//
//   x [N, C, H, W], w [TAPS]   ->   y, as x
//
//   y[i] = sum over t of w[t] x[mirror(i + t - (TAPS - 1) / 2)],   i along the axis
//
// The axis has SIDE elements, STEP apart. One invocation an element; summed in the order of t.

alias elem = f32;

override SIZE: u32; override SIDE: u32; override STEP: u32; override TAPS: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> y: array<elem>;

// Reflected as often as it takes, without repeating the edge: -1 -> 1, SIDE -> SIDE - 2.
fn mirror(place: i32) -> u32 {
  let edge = SIDE - 1u;
  if (place >= 0 && u32(place) <= edge) { return u32(place); }
  let period = max(2u * edge, 1u);
  let folded = u32(abs(place)) % period;
  return min(folded, period - folded);
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let place = i / STEP % SIDE;
  let line = i - place * STEP;
  let start = i32(place) - i32(TAPS / 2u);
  var sum = 0.0;
  if (start >= 0 && u32(start) + TAPS <= SIDE) {  // far from the border, as most are: nothing to mirror
    let first = line + u32(start) * STEP;
    for (var t = 0u; t < TAPS; t++) { sum += f32(w[t]) * f32(x[first + t * STEP]); }
  } else {
    for (var t = 0u; t < TAPS; t++) { sum += f32(w[t]) * f32(x[line + mirror(start + i32(t)) * STEP]); }
  }
  y[i] = elem(sum);
}
