import { expect, test } from 'vitest';
import { type PlaceWindowsOptions, placeWindows } from '../../src/kernels/place-windows.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';
import { resizeBilinear } from '../support/reference-resize.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

/** The whole map, and each window's map shrunk and added where the window was cut, one window after another. */
function reference(maps: Ndarray, weights: Ndarray, o: PlaceWindowsOptions) {
  const [N, J] = weights.shape;
  const [, P, Q] = maps.shape;
  const [h, w] = o.window;
  const small = resizeBilinear({ ...maps, shape: [N * J, 1, P, Q] }, o.window, false);
  const y = new Float64Array(N * P * Q);
  const size = new Float64Array(y.length);
  const magnitude = new Float64Array(y.length);
  for (let n = 0; n < N; n++) {
    for (let i = 0; i < P * Q; i++) {
      y[n * P * Q + i] = maps.data[n * J * P * Q + i];
      size[n * P * Q + i] = Math.abs(y[n * P * Q + i]);
    }
    for (let k = 0; k < J - 1; k++) {
      const map = n * J + 1 + k;
      const [top, left] = [Math.floor(k / o.columns) * o.stride[0], (k % o.columns) * o.stride[1]];
      for (let i = 0; i < h * w; i++) {
        const at = (n * P + top + Math.floor(i / w)) * Q + left + (i % w);
        y[at] += weights.data[map] * small.y[map * h * w + i];
        size[at] += Math.abs(weights.data[map]) * small.size[map * h * w + i];
        magnitude[at] += Math.abs(weights.data[map]);
      }
    }
  }
  return { y, size, magnitude };
}

/** Two interpolation weights a window and axis, a product with the weight, a sum; elements are at most 1. */
const boundOf =
  ({ size, magnitude }: ReturnType<typeof reference>, windows: number) =>
  (i: number) =>
    (20 + windows) * unit * size[i] + 24 * unit * magnitude[i];

const cases: readonly (PlaceWindowsOptions & { N: number; P: number; Q: number })[] = [
  { N: 1, P: 1, Q: 1, window: [1, 1], stride: [1, 1], rows: 1, columns: 1 },
  { N: 2, P: 11, Q: 13, window: [5, 4], stride: [3, 2], rows: 3, columns: 5 },
  { N: 3, P: 9, Q: 7, window: [2, 3], stride: [4, 4], rows: 2, columns: 2 }, // with gaps between
  { N: 1, P: 12, Q: 10, window: [9, 10], stride: [1, 7], rows: 4, columns: 1 },
  { N: 2, P: 28, Q: 28, window: [12, 12], stride: [4, 4], rows: 5, columns: 5 },
  { N: 1, P: 6, Q: 6, window: [6, 6], stride: [1, 1], rows: 1, columns: 1 }, // the whole image
];

for (const { N, P, Q, ...options } of cases) {
  test(`placeWindows is its definition: ${JSON.stringify({ N, P, Q, ...options })}`, async () => {
    const J = 1 + options.rows * options.columns;
    const maps = random([N * J, P, Q], 1);
    const weights = random([N, J], 2);
    const ref = reference(maps, weights, options);
    // The whole map's own weight is not read.
    for (let n = 0; n < N; n++) weights.data[n * J] = Number.NaN;
    const { y } = await runKernel(gpu(), placeWindows, { maps, weights }, options);
    expectClose(y, ref.y, boundOf(ref, J));
    if (N * P * Q < 200) return;
    const fold = await runKernel(gpu(), folded(placeWindows), { maps, weights }, options);
    expect(fold.y).toEqual(y);
  });
}

test('placeWindows counts the windows over each pixel', async () => {
  const options = { window: [96, 96], stride: [32, 32], rows: 5, columns: 5 } as const;
  const maps = { shape: [26, 224, 224], data: new Float32Array(26 * 224 * 224).fill(1) };
  maps.data.fill(0, 0, 224 * 224);
  const weights = { shape: [1, 26], data: new Float32Array(26).fill(1) };
  const { y } = await runKernel(gpu(), placeWindows, { maps, weights }, options);
  const along = (i: number) => Math.min(Math.floor(i / 32) + 1, 3, 7 - Math.floor(i / 32));
  expectClose(
    y,
    Float64Array.from(y, (_, i) => along(Math.floor(i / 224)) * along(i % 224)),
    () => 9 * 4 * unit,
  );
});

test('placeWindows says what does not fit', () => {
  const given = (J: number, NJ = 2 * J) => ({
    maps: { shape: [NJ, 8, 8] },
    weights: { shape: [2, J] },
  });
  const o = { window: [4, 4], stride: [2, 2], rows: 3, columns: 3 } as const;
  expect(placeWindows.plan(given(10), o).results.y.shape).toEqual([2, 8, 8]);
  const plan = (reads: ReturnType<typeof given>, more: object) => () =>
    placeWindows.plan(reads, { ...o, ...more });
  expect(plan(given(9), {})).toThrow('weights has rows of 9, should be 1 + 3 x 3 windows');
  expect(plan(given(10, 19), {})).toThrow('there are 19 maps, should be 2 x 10');
  expect(plan(given(13), { rows: 4 })).toThrow(
    'the windows reach to 10 x 8, should stay within maps of 8 x 8',
  );
  expect(plan(given(10), { stride: [0, 2] })).toThrow('placeWindows: stride is [0,2]');
  expect(plan(given(10), { window: [9, 4] })).toThrow('reach to 13 x 8');
  expect(plan(given(1), { rows: 0 })).toThrow('rows is 0, should be a whole number of at least 1');
});
