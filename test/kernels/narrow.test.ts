import { expect, test } from 'vitest';
import { fromHalf, toHalf } from '../../src/gpu/half.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { narrow } from '../../src/kernels/narrow.js';
import { widen } from '../../src/kernels/widen.js';
import { folded } from '../support/folded.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { random } from '../support/numbers.js';

const { gpu } = useGpu();

const rows = [3, 77];
/** Rows of very different size; a row of zeros. */
const x = (() => {
  const { data } = random(rows, 5);
  return { shape: rows, data: data.map((v, i) => v * [2 ** -40, 0, 2 ** 30][Math.floor(i / 77)]) };
})();
/** Least and largest of each row, as `rowRange` gives them. */
const range = {
  shape: [3, 4],
  data: Float32Array.from(
    [0, 1, 2].flatMap((n) => {
      const row = x.data.subarray(77 * n, 77 * (n + 1));
      return [Math.min(...row), Math.max(...row), 0, 77];
    }),
  ),
};
/** What each row is multiplied by. */
const scales = (peak: number) =>
  [0, 1, 2].map((n) => {
    const largest = Math.max(-range.data[4 * n], range.data[4 * n + 1]);
    return largest === 0 ? 1 : 2 ** (peak - Math.floor(Math.log2(largest)));
  });

for (const peak of [0, 6, 14]) {
  test(`a row's largest magnitude is brought to 2^${peak}, exactly, and back`, async () => {
    const s = scales(peak);
    const scaled = x.data.map((v, i) => v * s[Math.floor(i / 77)]);
    const { y } = await runKernel(gpu(), narrow, { x, range }, { peak });
    expect(y).toEqual(scaled);
    for (const n of [0, 2]) {
      const largest = Math.max(...scaled.slice(77 * n, 77 * (n + 1)).map(Math.abs));
      expect(largest).toBeGreaterThanOrEqual(2 ** peak);
      expect(largest).toBeLessThan(2 ** (peak + 1));
    }
    const wide = { shape: rows, data: scaled };
    expect((await runKernel(gpu(), widen, { x: wide, range }, { peak })).y).toEqual(x.data);
    expect((await runKernel(gpu(), folded(widen), { x: wide, range }, { peak })).y).toEqual(x.data);
  });
}

test('without a range nothing is scaled', async () => {
  expect((await runKernel(gpu(), narrow, { x })).y).toEqual(x.data);
  expect((await runKernel(gpu(), folded(narrow), { x })).y).toEqual(x.data);
  expect((await runKernel(gpu(), widen, { x })).y).toEqual(x.data);
});

test('a peak that float16 does not hold is refused', () => {
  const shapes = { x: { shape: [1, 4] } };
  for (const peak of [-1, 15, 0.5]) {
    expect(() => narrow.plan(shapes, { peak })).toThrow(
      `narrow: peak is ${peak}, should be a whole number from 0 to 14`,
    );
  }
});

// 16 bits hold what is under 2^-14 with an absolute error; a device may flush it.
test.skipIf(!testCaps.features.has('shader-f16'))(
  '16 bits: one rounding on the way in',
  async () => {
    const { shape, data } = random([7, 33], 9);
    const large = data.map((v, i) => (i % 9 === 0 ? v * 65000 : i % 7 === 0 ? v * 2 ** -13 : v));
    const r = Recorder.on(gpu());
    const wide32 = r.constant(large, shape);
    const stored = r.storing('f16', () => r.k(narrow, { x: wide32 }));
    expect(stored.dtype).toBe('f16');
    const [half, wide] = await r.run([stored, r.storing('f16', () => r.k(widen, { x: stored }))]);
    const [read, back] = (await gpu().read([half, wide])) as Float32Array[];
    const nearest = fromHalf(toHalf(large));
    read.forEach((v, i) => {
      // WGSL leaves open whether the conversion rounds to the nearest or cuts off.
      expect(Math.abs(v - large[i])).toBeLessThanOrEqual(
        Math.max(2 ** -10 * Math.abs(large[i]), 2 ** -14),
      );
      if (Math.abs(large[i]) >= 2 ** -14)
        expect(Math.abs(v - nearest[i])).toBeLessThanOrEqual(2 ** -10 * Math.abs(large[i]));
    });
    expect(back).toEqual(read);
    for (const t of [half, wide]) t.destroy();
  },
);
