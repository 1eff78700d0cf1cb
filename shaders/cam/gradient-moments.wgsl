// gradientMoments: adds a gradient, its square and its cube to running means.
//
//   g [SIZE]   ->   m [3, SIZE]
//
//   m[p, i] = (0 if FIRST else m[p, i]) + g[i]^(p + 1) / COPIES

alias elem = f32;

override SIZE: u32;
override COPIES: u32;
override FIRST: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> g: array<elem>;
@group(0) @binding(1) var<storage, read_write> m: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= SIZE) { return; }
  let slope = f32(g[i]);
  var power = slope / f32(COPIES);
  for (var p = 0u; p < 3u; p++) {
    var sum = power;
    if (FIRST == 0u) { sum += f32(m[p * SIZE + i]); }
    m[p * SIZE + i] = elem(sum);
    power *= slope;
  }
}
