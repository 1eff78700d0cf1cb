import { expect, test } from 'vitest';
import { invertMatrix, windowMatrix } from '../../src/image/transform.js';
import { heatmap } from '../../src/kernels/heatmap.js';
import { overlay } from '../../src/kernels/overlay.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { random } from '../support/numbers.js';
import { syntheticPhoto } from '../support/reference-sample.js';

const { gpu } = useGpu();

const colours = {
  shape: [256],
  data: Uint32Array.from(
    { length: 256 },
    (_, i) => (i | ((255 - i) << 8) | (((i * 7) % 256) << 16) | (255 << 24)) >>> 0,
  ),
};
/** The same, the middle of which lets the photo through. */
const fading = {
  shape: [256],
  data: colours.data.map((v, i) => ((v & 0xffffff) | (Math.abs(2 * i - 255) << 24)) >>> 0),
};
const mapOf = (shape: readonly number[]): Ndarray => ({
  shape,
  data: random(shape, 4).data.map((v) => (v + 1) / 2),
});

test('heatmap looks the nearest colour up and leaves what is not finite clear', async () => {
  const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
  const data = new Float32Array([0, 1, 0.5, -3, 7, nan, inf, -inf, 1.4 / 255, 1.6 / 255]);
  const { y } = await runKernel(gpu(), heatmap, { map: { shape: [2, 5], data }, colours });
  const index = [0, 255, 128, 0, 255, -1, -1, -1, 1, 2];
  expect([...y]).toEqual(index.map((i) => (i < 0 ? 0 : colours.data[i])));
  const map = mapOf([21, 30]);
  const many = await runKernel(gpu(), folded(heatmap), { map, colours });
  expect([...many.y]).toEqual(Array.from(map.data, (v) => colours.data[Math.floor(v * 255 + 0.5)]));
});

/** Overlay by its definition, in float64. */
function reference(photo: Ndarray, map: Ndarray, m: ArrayLike<number>, most: number): number[][] {
  const [H, W] = photo.shape;
  const [P, Q] = map.shape;
  const hold = (v: number, most: number) => Math.min(Math.max(v, 0), most);
  return Array.from({ length: H * W }, (_, i) => {
    const under = [0, 8, 16, 24].map((shift) => (photo.data[i] >>> shift) & 255);
    const [x, y] = [(i % W) + 0.5, Math.floor(i / W) + 0.5];
    const [u, v] = [m[0] * x + m[4] * y + m[8], m[1] * x + m[5] * y + m[9]];
    if (u < 0 || u > Q || v < 0 || v > P) return under;
    const [a, b] = [hold(u - 0.5, Q - 1), hold(v - 0.5, P - 1)];
    let value = 0;
    for (let p = 0; p < P; p++)
      for (let q = 0; q < Q; q++) {
        const weight = Math.max(0, 1 - Math.abs(q - a)) * Math.max(0, 1 - Math.abs(p - b));
        if (weight > 0) value += weight * map.data[p * Q + q];
      }
    if (!Number.isFinite(value)) return under;
    const colour = fading.data[Math.floor(hold(value, 1) * 255 + 0.5)];
    const alpha = (most * (colour >>> 24)) / 255;
    return under.map((c, k) =>
      k === 3 ? c : (1 - alpha) * c + alpha * ((colour >>> (8 * k)) & 255),
    );
  });
}

const cases = [
  { photo: [33, 47], map: [7, 9], window: [5, 3, 30, 25], alpha: 0.5 },
  { photo: [33, 47], map: [7, 9], window: [40, 3, -30, 25], alpha: 0.25 },
  { photo: [9, 8], map: [20, 30], window: [0, 0, 8, 9], alpha: 1 },
  { photo: [9, 8], map: [1, 1], window: [2, 2, 4, 4], alpha: 0.75 },
  { photo: [12, 5], map: [4, 4], window: [-2, -3, 20, 30], alpha: 0 },
] as const;

for (const c of cases) {
  for (const fold of [false, true]) {
    if (fold && c.photo[0] * c.photo[1] < 200) continue;
    test(`overlay is its definition: ${JSON.stringify(c)} ${fold ? 'folded' : ''}`, async () => {
      const photo = syntheticPhoto(c.photo[0], c.photo[1]);
      const map = mapOf(c.map);
      const [x, y, w, h] = c.window;
      const m = invertMatrix(windowMatrix(x, y, w, h, c.map[1], c.map[0]));
      const expected = reference(photo, map, m, c.alpha);
      const got = await runKernel(gpu(), fold ? folded(overlay) : overlay, {
        photo,
        map,
        m: { shape: [12], data: m },
        colours: fading,
        alpha: { shape: [1], data: new Float32Array([c.alpha]) },
      });
      let [different, changed, opacity] = [0, 0, 0];
      got.y.forEach((v, i) => {
        const bytes = [0, 8, 16, 24].map((shift) => (v >>> shift) & 255);
        if (bytes[3] !== expected[i][3]) opacity++;
        // A map value near the middle between two colours may go to either.
        if (bytes.some((b, k) => Math.abs(b - expected[i][k]) > 0.5 + 1e-4)) different++;
        if (v !== photo.data[i]) changed++;
      });
      expect(opacity).toBe(0);
      expect(different).toBeLessThanOrEqual(got.y.length * 0.002);
      if (c.alpha === 0) expect(changed).toBe(0);
      else expect(changed).toBeGreaterThan(0);
    });
  }
}

test('overlay keeps the photo where the map is not finite', async () => {
  const photo = syntheticPhoto(4, 4);
  const map = {
    shape: [2, 2],
    data: new Float32Array([Number.NaN, Number.POSITIVE_INFINITY, 1, 1]),
  };
  const m = { shape: [12], data: invertMatrix(windowMatrix(0, 0, 4, 4, 2, 2)) };
  const alpha = { shape: [1], data: new Float32Array([1]) };
  const { y } = await runKernel(gpu(), overlay, { photo, map, m, colours, alpha });
  expect([...y.slice(0, 8)]).toEqual([...photo.data.slice(0, 8)]);
  expect(y[12] & 0xffffff).toBe(colours.data[255] & 0xffffff);
});
