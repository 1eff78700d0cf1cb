import { expect, test } from 'vitest';
import { percentileRows } from '../../src/kernels/percentile-rows.js';
import { thresholdRows } from '../../src/kernels/threshold-rows.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { random } from '../support/numbers.js';

const { gpu } = useGpu();
const unit = 2 ** -24;
const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];

/** numpy.percentile(row, percent), in float64, and the two neighbours. */
function percentile(row: ArrayLike<number>, percent: number) {
  const sorted = Float64Array.from(row).sort();
  const position = ((sorted.length - 1) * percent) / 100;
  const a = sorted[Math.floor(position)];
  const b = sorted[Math.ceil(position)];
  return { a, b, value: a + (b - a) * (position - Math.floor(position)) };
}

const rowsOf = ({ shape: [N, C], data }: Ndarray) =>
  Array.from({ length: N }, (_, n) => (data as Float32Array).subarray(n * C, (n + 1) * C));

const sources: Record<string, (shape: readonly number[]) => Ndarray> = {
  random: (shape) => random(shape, 1),
  coarse: (shape) => ({ shape, data: random(shape, 5).data.map((v) => Math.round(v * 3) / 2 + 0) }),
  'mostly zero': (shape) => ({
    shape,
    data: random(shape, 6).data.map((v) => Math.max(0, v - 0.6)),
  }),
  constant: (shape) => ({ shape, data: random(shape, 7).data.fill(-0.3) }),
  'of all sizes': (shape) => ({
    shape,
    data: random(shape, 8).data.map((v, i) => v * 10 ** ((i % 61) - 30)),
  }),
  'next to each other': (shape) => ({
    shape,
    data: random(shape, 9).data.map((v) => 1 + Math.round(v * 4 + 4) * 2 ** -23),
  }),
};
const shapes = [
  [1, 1],
  [3, 2],
  [5, 65],
  [11, 169],
  [2, 4097],
  [1, 50_176],
];
const percents = [0, 5, 70, 97.5, 100];

for (const shape of shapes) {
  for (const [name, source] of Object.entries(sources)) {
    if (shape[1] > 9999 && !['random', 'mostly zero'].includes(name)) continue;
    test(`percentileRows and thresholdRows of ${name} numbers are their definitions: [${shape}]`, async () => {
      const x = source(shape);
      const rows = rowsOf(x);
      // Each percentile is a pipeline of its own, and a software adapter takes long to make one.
      for (const percent of shape[1] === 65 ? percents : [70]) {
        for (const variant of percentileRows.variantsFor({ x }, { percent }, testCaps)) {
          const { y } = await runKernel(gpu(), percentileRows, { x }, { percent }, variant);
          rows.forEach((row, n) => {
            const { a, b, value } = percentile(row, percent);
            if (a === b) expect(y[n]).toBe(a);
            else expect(y[n]).toBeLessThan(b);
            expect(y[n]).toBeGreaterThanOrEqual(a);
            // Two rounded weights, two products, a sum; or down to a.
            expect(Math.abs(y[n] - value)).toBeLessThanOrEqual(
              6 * unit * (Math.abs(a) + Math.abs(b)) + 2 ** -126,
            );
          });
          const threshold = { shape: [shape[0]], data: y };
          const got = await runKernel(gpu(), thresholdRows, { x, threshold });
          // Exactly those above the percentile of float64, whatever the rounding of the float32 one.
          const wanted = rows.map((row) => {
            const { value } = percentile(row, percent);
            return row.map((v) => (v > value ? v : 0));
          });
          expect(rowsOf({ shape, data: got.y })).toEqual(wanted);
        }
      }
    });
  }
}

test('percentileRows and thresholdRows fold', async () => {
  const x = random([5, 65], 1);
  const { y } = await runKernel(gpu(), folded(percentileRows), { x }, { percent: 50 });
  expect([...y]).toEqual(rowsOf(x).map((row) => percentile(row, 50).value));
  const threshold = { shape: [5], data: y };
  const got = await runKernel(gpu(), folded(thresholdRows), { x, threshold });
  expect([...got.y]).toEqual([...x.data].map((v, i) => (v > y[Math.floor(i / 65)] ? v : 0)));
});

test('percentileRows of NaN, infinities, and both zeros', async () => {
  const row = async (percent: number, ...v: number[]) => {
    const x = { shape: [1, v.length], data: Float32Array.from(v) };
    const results = [];
    for (const variant of percentileRows.variantsFor({ x }, { percent }, testCaps)) {
      results.push((await runKernel(gpu(), percentileRows, { x }, { percent }, variant)).y[0]);
    }
    expect(new Set(results).size).toBe(1);
    return results[0];
  };
  expect(await row(0, 1, nan, 2)).toBeNaN();
  expect(await row(0, 3e38, 1, 2)).toBe(1);
  expect(await row(0, -inf, 1, inf)).toBe(-inf);
  expect(await row(100, -inf, 1, inf)).toBe(inf);
  expect(await row(50, -inf, 1, inf)).toBe(1);
  expect(await row(75, -inf, 1, inf)).toBe(1); // between 1 and infinity: the lower
  expect(await row(25, -inf, 1, inf)).toBe(-inf);
  expect(await row(50, -3e38, 3e38)).toBe(0); // their difference overflows
  expect((await row(50, -0, 0, -0)) + 0).toBe(0);
  const x = { shape: [3, 2], data: Float32Array.of(1, 3, nan, 3, 5, 7) };
  const { y } = await runKernel(gpu(), percentileRows, { x }, { percent: 50 });
  expect([...y]).toEqual([2, nan, 6]);
});

test('thresholdRows of NaN, infinities, and both zeros', async () => {
  const data = Float32Array.of(nan, inf, -inf, 1, -0, nan, inf, 0, 1, 2);
  const two = { shape: [2, 5], data };
  const threshold = { shape: [2], data: Float32Array.of(0, nan) };
  const { y } = await runKernel(gpu(), thresholdRows, { x: two, threshold });
  expect([...y]).toEqual([nan, inf, 0, 1, 0, nan, 0, 0, 0, 0]);
  const top = await runKernel(gpu(), thresholdRows, {
    x: two,
    threshold: { shape: [2], data: Float32Array.of(inf, -inf) },
  });
  expect([...top.y]).toEqual([nan, 0, 0, 0, 0, nan, inf, 0, 1, 2]);
});

test('percentileRows says what does not fit', () => {
  const plan = (percent: number) => () =>
    percentileRows.plan({ x: { shape: [1, 4] } }, { percent });
  expect(plan(101)).toThrow('percentileRows: percent is 101, should be from 0 to 100');
  expect(plan(-1)).toThrow('percent is -1');
  expect(plan(nan)).toThrow('percent is NaN');
  expect(plan(undefined as never)).toThrow('percent is undefined');
});
