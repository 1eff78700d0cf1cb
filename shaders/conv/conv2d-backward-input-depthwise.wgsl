// conv2dBackwardInput (depthwise): gradient of conv2d with respect to its input where every filter has one channel.
//
//   dy [N, KT, P, Q] channels K0 .. K0 + K, w [K, 1, R, S]   ->   dx [N, C, H, W]
//
//   dx[n, c, h, v] = sum over the filters k of channel c, and over r, s, of w[k, r, s] dy[n, K0 + k, p, q]
//   where p SH = h + PH - r DH and q SW = v + PW - s DW      (+ what dx held, if ACCUMULATE)
//
// For all adapters: bound by its loads, of which 8 neighbours in a row, in one invocation, share those of the filters. With stride 1 and no dilation
// outputs are loaded once a row and slide along. A row of dy that a tap's row does not meet costs nothing: it is skipped.
// Summed in the order k, r, s.

alias elem = f32;

override N: u32; override C: u32; override H: u32; override W: u32;
override K: u32; override R: u32; override S: u32;
override P: u32; override Q: u32;
override SH: u32; override SW: u32; override PH: u32; override PW: u32; override DH: u32; override DW: u32;
override K0: u32; override KT: u32;
override ACCUMULATE: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> dy: array<elem>;
@group(0) @binding(1) var<storage, read> w: array<elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<elem>;

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let across = (W + 7u) / 8u;
  if (i >= N * C * H * across) { return; }
  let v = i % across * 8u;
  let h = i / across % H;
  let c = i / (across * H) % C;
  let n = i / (across * H * C);
  let per = K / C;

  var a = vec4f();
  var b = vec4f();
  for (var k = c * per; k < (c + 1u) * per; k++) {
    for (var r = 0u; r < R; r++) {
      let down = h + PH - r * DH;  // above the first row it wraps to a huge number, as t left of the first column
      let p = down / SH;
      if ((p * SH != down) | (p >= P)) { continue; }
      let row = ((n * KT + K0 + k) * P + p) * Q;
      let f = (k * R + r) * S;
      if (SW == 1u && DW == 1u) {
        var t = v + PW;
        var u0 = four(row, t);
        var u1 = four(row, t + 4u);
        for (var s = 0u; s < S; s++) {
          let tap = vec4f(f32(w[f + s]));
          a = fma(tap, u0, a);
          b = fma(tap, u1, b);
          t -= 1u;
          u1 = vec4f(u0.w, u1.xyz);
          u0 = vec4f(gradient(row, t), u0.xyz);
        }
      } else {
        for (var s = 0u; s < S; s++) {
          let tap = vec4f(f32(w[f + s]));
          let t = v + PW - s * DW;
          a = fma(tap, four(row, t), a);
          b = fma(tap, four(row, t + 4u), b);
        }
      }
    }
  }
  let to = ((n * C + c) * H + h) * W;
  put(to, v, a.x); put(to, v + 1u, a.y); put(to, v + 2u, a.z); put(to, v + 3u, a.w);
  put(to, v + 4u, b.x); put(to, v + 5u, b.y); put(to, v + 6u, b.z); put(to, v + 7u, b.w);
}

fn four(row: u32, t: u32) -> vec4f {
  return vec4f(gradient(row, t), gradient(row, t + 1u), gradient(row, t + 2u), gradient(row, t + 3u));
}

fn gradient(row: u32, t: u32) -> f32 {
  let q = t / SW;
  return select(0.0, f32(dy[row + q]), (q * SW == t) & (q < Q));
}

fn put(to: u32, v: u32, sum: f32) {
  if (v >= W) { return; }
  var value = sum;
  if (ACCUMULATE == 1u) { value += f32(dx[to + v]); }
  dx[to + v] = elem(value);
}
