/** Antialiased resampling and overlay by their definitions in float64, sharing no code with the kernels. */
import type { Ndarray } from './gpu.js';

const filters = {
  bilinear: { reach: 1, at: (t: number) => Math.max(0, 1 - Math.abs(t)) },
  bicubic: {
    reach: 2,
    at: (t: number) => {
      const [a, u] = [-0.5, Math.abs(t)];
      if (u < 1) return (a + 2) * u ** 3 - (a + 3) * u ** 2 + 1;
      return u < 2 ? a * (u ** 3 - 5 * u ** 2 + 8 * u - 4) : 0;
    },
  },
};

/** Weight of each of `size` pixels for an output centred at `centre` that spans `scale` pixels. */
export function sampleWeights(
  centre: number,
  scale: number,
  size: number,
  filter: 'bilinear' | 'bicubic',
): Float64Array {
  if (centre < 0 || centre >= size) return new Float64Array(size);
  const stretch = Math.max(1, scale);
  const { at } = filters[filter];
  const raw = Float64Array.from({ length: size }, (_, i) => at((i + 0.5 - centre) / stretch));
  const sum = raw.reduce((a, b) => a + b, 0);
  return raw.map((w) => w / sum);
}

/** One map resampled through an axis-aligned matrix (12 floats), in float64. */
export function sampleMap(
  map: Ndarray,
  m: ArrayLike<number>,
  outputSize: readonly [number, number],
  filter: 'bilinear' | 'bicubic' = 'bilinear',
): Float64Array {
  const [H, W] = map.shape;
  const [P, Q] = outputSize;
  const columns = Array.from({ length: Q }, (_, q) =>
    sampleWeights(m[0] * (q + 0.5) + m[8], Math.abs(m[0]), W, filter),
  );
  const rows = Array.from({ length: P }, (_, p) =>
    sampleWeights(m[5] * (p + 0.5) + m[9], Math.abs(m[5]), H, filter),
  );
  const y = new Float64Array(P * Q);
  for (let i = 0; i < y.length; i++) {
    const [row, column] = [rows[Math.floor(i / Q)], columns[i % Q]];
    for (let h = 0; h < H; h++) {
      if (row[h] === 0) continue;
      for (let w = 0; w < W; w++) y[i] += row[h] * column[w] * map.data[h * W + w];
    }
  }
  return y;
}

/** Colour channel c of packed pixels. */
export const channel = (photo: Ndarray, c: number): Ndarray => ({
  shape: photo.shape,
  data: Float32Array.from(photo.data, (v) => (v >>> (8 * c)) & 255),
});

/** A synthetic photo: smooth colours, hard edges and noise. */
export function syntheticPhoto(
  H: number,
  W: number,
  seed = 1,
): { shape: number[]; data: Uint32Array } {
  let state = seed;
  const data = Uint32Array.from({ length: H * W }, (_, i) => {
    const [h, w] = [Math.floor(i / W), i % W];
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const noise = (state >>> 24) / 255;
    const checks = (Math.floor(h / 7) + Math.floor(w / 5)) % 2;
    const red = 255 * checks;
    const green = 127.5 * (1 + Math.sin((h + 2 * w) / 9));
    const blue = 255 * noise;
    return (
      (Math.round(red) | (Math.round(green) << 8) | (Math.round(blue) << 16) | (i << 24)) >>> 0
    );
  });
  return { shape: [H, W], data };
}
