import { expect, test } from 'vitest';
import { blurColumns, blurRows, gaussianWeights } from '../../src/kernels/gaussian-blur.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random, sumBound } from '../support/numbers.js';

const { gpu } = useGpu();

/** Index after `steps` steps from `from`, turning back at both ends of 0 .. side - 1. */
function bounce(from: number, steps: number, side: number): number {
  let [at, way] = [from, Math.sign(steps)];
  for (let n = 0; n < Math.abs(steps) && side > 1; n++) {
    if (at + way < 0 || at + way >= side) way = -way;
    at += way;
  }
  return at;
}

/** The blur along one axis (2 columns, 3 rows) by its definition, in float64, with the sum of the terms' magnitudes. */
function blurAlong(
  axis: 2 | 3,
  x: { shape: readonly number[]; data: ArrayLike<number> },
  w: ArrayLike<number>,
) {
  const [, , H, W] = x.shape;
  const [side, step] = axis === 2 ? [H, W] : [W, 1];
  const radius = (w.length - 1) / 2;
  const y = new Float64Array(x.data.length);
  const size = new Float64Array(x.data.length);
  for (let i = 0; i < y.length; i++) {
    const place = Math.floor(i / step) % side;
    for (let t = 0; t < w.length; t++) {
      const from = bounce(place, t - radius, side);
      const term = w[t] * x.data[i + (from - place) * step];
      y[i] += term;
      size[i] += Math.abs(term);
    }
  }
  return { y, size };
}

const cases = [
  { x: [1, 1, 1, 1], taps: 1 },
  { x: [1, 1, 1, 1], taps: 5 },
  { x: [2, 3, 7, 5], taps: 3 },
  { x: [1, 2, 2, 3], taps: 9 }, // reflected more than once
  { x: [3, 2, 11, 19], taps: 21 }, // a side equal to the radius plus one, and less
  { x: [1, 1, 40, 57], taps: 51 },
  { x: [2, 1, 51, 1], taps: 51 },
];

for (const { x: shape, taps } of cases) {
  for (const fold of [false, true]) {
    if (fold && shape.reduce((a, b) => a * b, 1) <= 192) continue;
    test(`blurRows and blurColumns are their definitions: [${shape}], ${taps} weights ${fold ? 'folded' : ''}`, async () => {
      const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);
      const x = random(shape, 1);
      const w = random([taps], 2);
      const rows = blurAlong(3, x, w.data);
      const columns = blurAlong(2, x, w.data);
      const bound = (size: Float64Array) => sumBound(taps, size);
      const got = await runKernel(gpu(), f(blurRows), { x, w });
      expectClose(got.y, rows.y, bound(rows.size));
      const turned = await runKernel(gpu(), f(blurColumns), { x, w });
      expectClose(turned.y, columns.y, bound(columns.size));
    });
  }
}

/** Both halves. */
async function blur(x: Ndarray, w: Ndarray) {
  const { y } = await runKernel(gpu(), blurRows, { x, w });
  const half = { shape: x.shape, data: y };
  return (await runKernel(gpu(), blurColumns, { x: half, w })).y;
}

test('a blur keeps constants, and is the same when all is turned over', async () => {
  const shape = [1, 2, 9, 14];
  const w = { shape: [51], data: gaussianWeights() };
  const flat = await blur({ shape, data: new Float32Array(252).fill(0.7) }, w);
  expectClose(flat, new Float64Array(252).fill(Math.fround(0.7)), () => 106 * 2 ** -24);

  const x = random(shape, 3);
  const backwards = { shape, data: x.data.slice().reverse() };
  const [there, back] = [await blur(x, w), await blur(backwards, w)];
  expectClose(back.slice().reverse(), there, () => 106 * 2 ** -24);
});

test('the border is mirrored without repeating the edge; NaN and infinity stay in reach of the weights', async () => {
  const line = (...v: number[]) => ({ shape: [1, 1, 1, v.length], data: Float32Array.from(v) });
  const weights = (...v: number[]) => ({ shape: [v.length], data: Float32Array.from(v) });
  const shifted = await runKernel(gpu(), blurRows, { x: line(1, 2, 4, 8), w: weights(1, 0, 0) });
  expect([...shifted.y]).toEqual([2, 1, 2, 4]);
  const other = await runKernel(gpu(), blurRows, { x: line(1, 2, 4, 8), w: weights(0, 0, 1) });
  expect([...other.y]).toEqual([2, 4, 8, 4]);
  const x = line(1, Number.NaN, 1, 1, Number.POSITIVE_INFINITY, 1, 1);
  const { y } = await runKernel(gpu(), blurRows, { x, w: weights(0.25, 0.5, 0.25) });
  expect([...y].map(Number.isFinite)).toEqual([false, false, false, false, false, false, true]);
});

test('gaussianWeights are the formula, and say what does not fit', () => {
  expect([...gaussianWeights(1, 0.1)]).toEqual([1]);
  expect(gaussianWeights().length).toBe(51);
  for (const [size, sigma] of [
    [51, 50],
    [5, 1],
    [11, 5],
    [3, 0.8],
  ]) {
    const w = gaussianWeights(size, sigma);
    const middle = w[(size - 1) / 2];
    expect(w.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    for (let i = 0; i < size; i++) {
      const d = i - (size - 1) / 2;
      expect(w[i]).toBe(w[size - 1 - i]);
      expect(w[i] / middle / Math.exp((-d * d) / (2 * sigma * sigma))).toBeCloseTo(1, 6);
    }
  }
  expect(() => gaussianWeights(4, 1)).toThrow('size is 4, should be odd');
  expect(() => gaussianWeights(5, 0)).toThrow('sigma is 0, should be more than 0');
  expect(() => gaussianWeights(5, Number.NaN)).toThrow('sigma is NaN');
  expect(() => blurRows.plan({ x: { shape: [1, 1, 4, 4] }, w: { shape: [4] } })).toThrow(
    'blurRows: w [4] should have an odd number of weights',
  );
});
