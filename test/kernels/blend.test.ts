import { expect, test } from 'vitest';
import { blend } from '../../src/kernels/blend.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random, sumBound } from '../support/numbers.js';

const { gpu } = useGpu();

/** Masks from 0 to 1, both included. */
const masks = (shape: readonly number[]): Ndarray => ({
  shape,
  data: random(shape, 2).data.map((v) => Math.min(1, Math.max(0, 0.7 * v + 0.5))),
});

for (const [B, M, C, H, W] of [
  [1, 1, 1, 1, 1],
  [1, 5, 3, 7, 5],
  [2, 6, 3, 5, 9],
  [4, 4, 2, 8, 8],
  [3, 3, 3, 17, 11],
]) {
  for (const fold of [false, true]) {
    const size = C * H * W;
    if (fold && M * size <= 192) continue;
    test(`blend is its definition: ${M} masks of ${B} images [${C},${H},${W}] ${fold ? 'folded' : ''}`, async () => {
      const [x, canvas] = [random([B, C, H, W], 1), random([B, C, H, W], 3)];
      const mask = masks([M, H, W]);
      const parts = Array.from({ length: M * size }, (_, i) => {
        const m = Math.floor(i / size);
        const place = Math.floor((m * B) / M) * size + (i % size);
        const share = mask.data[m * H * W + (i % (H * W))];
        return {
          image: x.data[place] * share,
          behind: canvas.data[place] * (1 - share),
          share,
          place,
        };
      });
      const kernel = fold ? folded(blend) : blend;
      const { y } = await runKernel(gpu(), kernel, { x, mask, canvas });
      expectClose(
        y,
        parts.map((p) => p.image + p.behind),
        sumBound(
          3,
          parts.map((p) => Math.abs(p.image) + Math.abs(p.behind)),
        ),
      );
      // Exact at both ends.
      parts.forEach(({ share, place }, i) => {
        if (share === 1) expect(y[i]).toBe(x.data[place]);
        if (share === 0) expect(y[i]).toBe(canvas.data[place]);
      });
      const bare = await runKernel(gpu(), kernel, { x, mask });
      expectClose(
        bare.y,
        parts.map((p) => p.image),
        sumBound(
          1,
          parts.map((p) => Math.abs(p.image)),
        ),
      );
    });
  }
}

test('blend leaves NaN to be seen, and each mask its own pixels', async () => {
  const x = { shape: [1, 2, 1, 2], data: Float32Array.of(1, 2, 3, Number.NaN) };
  const canvas = { shape: [1, 2, 1, 2], data: Float32Array.of(-1, -2, -3, -4) };
  const mask = { shape: [2, 1, 2], data: Float32Array.of(1, 0, 0.5, 1) };
  const { y } = await runKernel(gpu(), blend, { x, mask, canvas });
  expect([...y]).toEqual([1, -2, 3, Number.NaN, 0, 2, 0, Number.NaN]);
});

test('blend takes any number of masks of one image, fewer than there are images too', async () => {
  const x = random([4, 2, 3, 3], 1);
  const mask = masks([3, 3, 3]);
  const { y } = await runKernel(gpu(), blend, { x, mask }, { image: 2 });
  const want = (i: number) =>
    x.data[2 * 18 + (i % 18)] * mask.data[Math.floor(i / 18) * 9 + (i % 9)];
  expect([...y]).toEqual(Array.from(y, (_, i) => Math.fround(want(i))));
});

test('blend says what does not fit', () => {
  const x = { shape: [2, 3, 4, 4] };
  const mask = { shape: [3, 4, 4] };
  expect(() => blend.plan({ x, mask })).toThrow(
    'blend: 3 masks should be a multiple of the 2 images',
  );
  expect(() => blend.plan({ x, mask: { shape: [4, 4, 5] } })).toThrow('W is 4 in x');
});
