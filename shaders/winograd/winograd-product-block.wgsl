// winogradProduct (block): a matrix product for each of A places: m = uT v.
//
//   u [A, KB, CP, 16], v [A, TB, CP, 16]   ->   m [A, KB, TB, 16, 16]
//
//   m[a, kb, tb, k, t] = sum over c of u[a, kb, c, k] v[a, tb, c, t]
//
// For GPUs: a workgroup makes 64 channels x 64 tiles of a place, an invocation 4 x 4 of them. Slices 16 deep of both factors pass through
// workgroup memory (8 KiB) as they lie in storage, vector by vector with neighbours on neighbouring addresses; the next slice is loaded into
// registers while this one is used. Blocks past the last repeat it and are not written.
// Summed in the order c.

alias elem = f32;

override CP: u32; override KB: u32; override TB: u32;
override GROUPS: u32;

@group(0) @binding(0) var<storage, read> u: array<vec4<elem>>;
@group(0) @binding(1) var<storage, read> v: array<vec4<elem>>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4<elem>>;

const DEPTH = 16u;
var<workgroup> left: array<vec4f, 256>;   // [4 blocks][DEPTH][16 channels]
const BLOCK = 68u;  // vectors from block to block: what eight neighbours read at once lies in banks of its own
var<workgroup> right: array<vec4f, 272>;  // [4 blocks, BLOCK apart][DEPTH][16 tiles]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let group = wid.y * nwg.x + wid.x;
  if (group >= GROUPS) { return; }
  let wide = (TB + 3u) / 4u;
  let high = (KB + 3u) / 4u;
  let place = group / (wide * high);
  let kb = group / wide % high * 4u;
  let tb = group % wide * 4u;
  // What this invocation loads of each slice: one vector of either factor.
  let c = lane / 4u % DEPTH;
  let block = lane / 64u;
  let fu = ((place * KB + min(kb + block, KB - 1u)) * CP + c) * 4u + lane % 4u;
  let fv = ((place * TB + min(tb + block, TB - 1u)) * CP + c) * 4u + lane % 4u;
  // What it computes: four channels by four tiles.
  let k = lane / 16u;  // a vector of channels, of 16
  let t = lane % 16u;  // a vector of tiles, of 16
  let lu = k / 4u * 64u + k % 4u;
  let lv = t / 4u * BLOCK + t % 4u;

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var nextU = slice_u(fu, 0u, c);
  var nextV = slice_v(fv, 0u, c);
  for (var at = 0u; at < CP; at += DEPTH) {
    left[lane] = nextU;
    right[block * BLOCK + lane % 64u] = nextV;
    workgroupBarrier();
    nextU = slice_u(fu, at + DEPTH, c);
    nextV = slice_v(fv, at + DEPTH, c);
    for (var d = 0u; d < DEPTH; d++) {
      let f = left[lu + d * 4u];
      let x = right[lv + d * 4u];
      a0 = fma(vec4f(f.x), x, a0);
      a1 = fma(vec4f(f.y), x, a1);
      a2 = fma(vec4f(f.z), x, a2);
      a3 = fma(vec4f(f.w), x, a3);
    }
    workgroupBarrier();
  }
  if ((kb + k / 4u >= KB) | (tb + t / 4u >= TB)) { return; }
  let to = (((place * KB + kb + k / 4u) * TB + tb + t / 4u) * 16u + k % 4u * 4u) * 4u + t % 4u;
  m[to] = vec4<elem>(a0);
  m[to + 4u] = vec4<elem>(a1);
  m[to + 8u] = vec4<elem>(a2);
  m[to + 12u] = vec4<elem>(a3);
}

/// A vector of the slice that begins with channel `at`; past the last channel 0.
fn slice_u(first: u32, at: u32, c: u32) -> vec4f { return select(vec4f(), vec4f(u[first + at * 4u]), at + c < CP); }
fn slice_v(first: u32, at: u32, c: u32) -> vec4f { return select(vec4f(), vec4f(v[first + at * 4u]), at + c < CP); }
