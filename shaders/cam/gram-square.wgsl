// gramSquare: the square of a symmetric matrix over its squared trace; repeated, all but its first eigenvector fades.
//
//   x [N, M, M]   ->   y [N, M, M]
//
//   y = x x / trace(x)^2,   0 where the trace is not above 0
//
// One invocation an element; x is symmetric, so neighbours read neighbouring elements of both factors.

alias elem = f32;

override N: u32; override M: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= N * M * M) { return; }
  let b = i % M;
  let a = i / M % M;
  let matrix = i / (M * M) * M * M;
  var sum = 0.0;
  var trace = 0.0;
  for (var j = 0u; j < M; j++) {
    sum += f32(x[matrix + j * M + a]) * f32(x[matrix + j * M + b]);
    trace += f32(x[matrix + j * M + j]);
  }
  if (trace > 0.0) { y[i] = elem(sum / trace / trace); } else { y[i] = elem(0.0); }
}
