// rgbToLab: a normalised image in CIE Lab, where distances are about as large as they look.
//
//   x [N, 3, H, W]   ->   y [N, 3, H, W] = L in 0 .. 100, a, b
//
//   colour = clamp(x STD + MEAN, 0, 1), sRGB; XYZ with the white of D65, 2 degrees (as skimage.color.rgb2lab)
//
// One invocation a pixel.

alias elem = f32;

override N: u32; override H: u32; override W: u32;
override MEAN_R: f32; override MEAN_G: f32; override MEAN_B: f32;
override STD_R: f32; override STD_G: f32; override STD_B: f32;
override GX = 64u;

@group(0) @binding(0) var<storage, read> x: array<elem>;
@group(0) @binding(1) var<storage, read_write> y: array<elem>;

// sRGB's primaries in XYZ, rows divided by the white point's X, Y, Z.
const TO_X = vec3f(0.412453, 0.357580, 0.180423) / 0.95047;
const TO_Y = vec3f(0.212671, 0.715160, 0.072169);
const TO_Z = vec3f(0.019334, 0.119193, 0.950227) / 1.08883;

// Light of a colour: sRGB's curve undone.
fn linearOf(v: f32) -> f32 {
  if (v <= 0.04045) { return v / 12.92; }
  return pow((v + 0.055) / 1.055, 2.4);
}

// CIE's cube root, straight near 0.
fn rootOf(t: f32) -> f32 {
  if (t <= 0.008856) { return 7.787 * t + 16.0 / 116.0; }
  return pow(t, 1.0 / 3.0);
}

@compute @workgroup_size(GX)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wid.y * nwg.x + wid.x) * GX + lane;
  let size = H * W;
  if (i >= N * size) { return; }
  let at = i / size * 3u * size + i % size;
  let normalised = vec3f(f32(x[at]), f32(x[at + size]), f32(x[at + 2u * size]));
  let colour = clamp(normalised * vec3f(STD_R, STD_G, STD_B) + vec3f(MEAN_R, MEAN_G, MEAN_B), vec3f(0.0), vec3f(1.0));
  let light = vec3f(linearOf(colour.r), linearOf(colour.g), linearOf(colour.b));
  let fx = rootOf(dot(TO_X, light));
  let fy = rootOf(dot(TO_Y, light));
  let fz = rootOf(dot(TO_Z, light));
  y[at] = elem(116.0 * fy - 16.0);
  y[at + size] = elem(500.0 * (fx - fy));
  y[at + 2u * size] = elem(200.0 * (fy - fz));
}
