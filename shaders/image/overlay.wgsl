// overlay: a saliency map in colours, laid back on the photo it is of.
//
//   photo [H, W] RGBA8, map [P, Q], m [12] (mat3, three columns of 4), colours [256] RGBA8, alpha [1]   ->   y [H, W] RGBA8
//
//   (u, v) = m (w + 1/2, h + 1/2, 1)                     where the photo's pixel lies on the map
//   y = (1 - a) photo + a colour,   colour = colours[round(255 map(v, u))], a = alpha times the colour's own opacity
//
// The map is interpolated bilinearly between its pixels' centres. Where (u, v) lies off the map (cropped away), or the map is not
// finite, the photo stays as it is. The photo's own alpha channel is kept. One invocation a pixel of the photo.

alias elem = f32;

override H: u32; override W: u32; override P: u32; override Q: u32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> photo: array<u32>;
@group(0) @binding(1) var<storage, read> map: array<elem>;
@group(0) @binding(2) var<storage, read> m: array<f32>;
@group(0) @binding(3) var<storage, read> colours: array<u32>;
@group(0) @binding(4) var<storage, read> alpha: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<u32>;

// shared: isFinite
fn isFinite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u; }
// end

fn opacity(v: u32) -> f32 { return f32(v >> 24u) / 255.0; }
fn rgb(v: u32) -> vec3f { return vec3f(vec3u(v & 0xffu, (v >> 8u) & 0xffu, (v >> 16u) & 0xffu)); }

// The map at a position inside it, in pixels.
fn mapAt(position: vec2f) -> f32 {
  let most = vec2f(f32(Q - 1u), f32(P - 1u));
  let at = clamp(position - 0.5, vec2f(0.0), most);
  let low = vec2u(at);
  let high = min(low + 1u, vec2u(Q - 1u, P - 1u));
  let t = at - vec2f(low);
  let top = mix(f32(map[low.y * Q + low.x]), f32(map[low.y * Q + high.x]), t.x);
  let bottom = mix(f32(map[high.y * Q + low.x]), f32(map[high.y * Q + high.x]), t.x);
  return mix(top, bottom, t.y);
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  if (i >= H * W) { return; }
  let under = photo[i];
  y[i] = under;

  let centre = vec2f(f32(i % W), f32(i / W)) + 0.5;
  let u = m[0] * centre.x + m[4] * centre.y + m[8];
  let v = m[1] * centre.x + m[5] * centre.y + m[9];
  if (!(u >= 0.0 && u <= f32(Q) && v >= 0.0 && v <= f32(P))) { return; }
  let value = mapAt(vec2f(u, v));
  if (!isFinite(value)) { return; }

  let colour = colours[u32(clamp(value, 0.0, 1.0) * 255.0 + 0.5)];
  let mixed = vec3u(clamp(mix(rgb(under), rgb(colour), alpha[0] * opacity(colour)), vec3f(0.0), vec3f(255.0)) + 0.5);
  y[i] = mixed.r | (mixed.g << 8u) | (mixed.b << 16u) | (under & 0xff000000u);
}
