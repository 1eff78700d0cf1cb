// orientRows: each row times 1 or -1, so that its element of largest magnitude (the first of equals) is positive.
//
//   x [N, C]   ->   y [N, C]
//
// One workgroup a row: each invocation finds its own extreme, then a tree.

alias elem = f32;

override C: u32;
override GROUPS: u32;
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

var<workgroup> extreme: array<f32, GX>;
var<workgroup> place: array<u32, GX>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var value = 0.0;
  var at = C;
  for (var j = i; j < C; j += GX) {
    if (abs(f32(x[row * C + j])) > abs(value)) {
      value = f32(x[row * C + j]);
      at = j;
    }
  }
  extreme[i] = value;
  place[i] = at;
  workgroupBarrier();
  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) {
      let mine = abs(extreme[i]);
      let other = abs(extreme[i + step]);
      if (other > mine || (other == mine && place[i + step] < place[i])) {
        extreme[i] = extreme[i + step];
        place[i] = place[i + step];
      }
    }
    workgroupBarrier();
  }
  var turn = 1.0;
  if (extreme[0] < 0.0) { turn = -1.0; }
  for (var j = i; j < C; j += GX) { y[row * C + j] = elem(turn * f32(x[row * C + j])); }
}
