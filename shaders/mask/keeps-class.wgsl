// keepsClass: whether each row's largest logit is that of the chosen class.
//
//   y [N, C], choice [N, C]   ->   gates [T, N], row ROW
//
//   gates[ROW, n] = 1 if choice[n, c] > 0, c the first largest of y[n], else 0; 0 too where a logit of the row is NaN
//
// One workgroup a row, then a tree.

alias elem = f32;

override C: u32;
override ROW: u32;
override GROUPS: u32;  // the N rows
override GX = 64u;  // a power of two

@group(0) @binding(0) var<storage, read> y: array<elem>;
@group(0) @binding(1) var<storage, read> choice: array<elem>;
@group(0) @binding(2) var<storage, read_write> gates: array<elem>;

const NAN = 0xffffffffu;  // its order

var<workgroup> partial: array<vec2u, GX>;  // order of the largest so far, its index

// shared: orderOf
// A whole number that orders floats: larger for larger ones, -0 as 0, NaN above all, and never 0.
fn orderOf(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if ((bits & 0x7fffffffu) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
// end

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = wid.y * nwg.x + wid.x;
  if (row >= GROUPS) { return; }
  var best = vec2u();
  for (var c = i; c < C; c += GX) {
    let order = orderOf(f32(y[row * C + c]));
    if (order > best.x) { best = vec2u(order, c); }
  }
  partial[i] = best;
  workgroupBarrier();

  for (var step = GX / 2u; step > 0u; step /= 2u) {
    if (i < step) {
      let other = partial[i + step];
      if (other.x > partial[i].x || (other.x == partial[i].x && other.y < partial[i].y)) { partial[i] = other; }
    }
    workgroupBarrier();
  }
  if (i == 0u) {
    let isChosen = f32(choice[row * C + partial[0].y]) > 0.0;
    gates[ROW * GROUPS + row] = elem(select(0.0, 1.0, isChosen && partial[0].x != NAN));
  }
}
