import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type RiseMasksOptions, riseMasks, riseOf } from '../../src/kernels/rise-masks.js';
import { folded } from '../support/folded.js';
import { goldenDir, hasFolder, readJson, readTensors } from '../support/folders.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { fnv1a, mix } from '../support/hash-weights.js';
import { expectClose } from '../support/numbers.js';

const { gpu } = useGpu();
// Two weights an axis with a quotient (2.5 units in the last place) and a difference each, products and sums of at most 1.
const bound = () => 24 * 2 ** -24;

const uniform = (name: string, i: number) => mix((i + fnv1a(name)) >>> 0) / 2 ** 32;

/** A mask's grid and shift by the golden folder's README. */
function gridOf(key: string, n: number, s: number, p: number, [P, Q]: readonly [number, number]) {
  const cells = Array.from({ length: s * s }, (_, i) =>
    uniform(`${key}:grid`, n * s * s + i) < p ? 1 : 0,
  );
  const shift = [P, Q].map((side, axis) =>
    Math.floor(uniform(`${key}:shift`, 2 * n + axis) * Math.ceil(side / s)),
  );
  return { cells, shift };
}

/** The mask of a grid and a shift, in float64. */
function maskOf(
  cells: ArrayLike<number>,
  shift: ArrayLike<number>,
  s: number,
  [P, Q]: readonly [number, number],
) {
  const mirrored = (c: number) => (s === 1 ? 0 : c < 0 ? -c : c >= s ? 2 * (s - 1) - c : c);
  const position = (o: number, side: number) => {
    const q = ((o + 0.5) * s) / ((s + 1) * Math.ceil(side / s)) - 0.5;
    const low = Math.floor(q);
    return { low: mirrored(low), high: mirrored(low + 1), t: q - low };
  };
  return Float64Array.from({ length: P * Q }, (_, i) => {
    const row = position(Math.floor(i / Q) + shift[0], P);
    const column = position((i % Q) + shift[1], Q);
    const along = (r: number) =>
      (1 - column.t) * cells[r * s + column.low] + column.t * cells[r * s + column.high];
    return (1 - row.t) * along(row.low) + row.t * along(row.high);
  });
}

const make = async (
  key: string,
  options: RiseMasksOptions,
  more: { p?: number; first?: number } = {},
) => {
  const rise = { shape: [4], data: riseOf(key, more) };
  return (await runKernel(gpu(), riseMasks, { rise }, options)).y as Float32Array;
};

for (const [masks, grid, p, outputSize] of [
  [1, 1, 0.5, [1, 1]],
  [4, 1, 0.5, [3, 5]],
  [5, 2, 0.3, [7, 4]],
  [3, 7, 0.5, [49, 49]],
  [2, 7, 0.1, [50, 61]],
  [3, 8, 0.9, [5, 3]], // more cells than pixels
  [2, 3, 1, [11, 9]],
] as const) {
  test(`riseMasks are their definition: ${masks} of ${grid} x ${grid} at ${p} to [${outputSize}]`, async () => {
    const options = { masks, grid, outputSize };
    const y = await make('a key', options, { p });
    const size = outputSize[0] * outputSize[1];
    for (let n = 0; n < masks; n++) {
      const { cells, shift } = gridOf('a key', n, grid, p, outputSize);
      expectClose(
        y.subarray(n * size, (n + 1) * size),
        maskOf(cells, shift, grid, outputSize),
        bound,
      );
    }
  });
}

test('a mask depends on its number, not on its batch, and on the key', async () => {
  const options = { grid: 5, outputSize: [13, 17] as const };
  const all = await make('k', { ...options, masks: 7 });
  const some = await make('k', { ...options, masks: 3 }, { first: 4 });
  expect(some).toEqual(all.subarray(4 * 13 * 17));
  const one = await make('k', { ...options, masks: 1 }, { first: 2 });
  expect(one).toEqual(all.subarray(2 * 13 * 17, 3 * 13 * 17));
  expect(await make('K', { ...options, masks: 7 })).not.toEqual(all);
  const rise = { shape: [4], data: riseOf('k') };
  const many = await runKernel(gpu(), folded(riseMasks), { rise }, { ...options, masks: 7 });
  expect(many.y).toEqual(all);
});

test('masks are shares whose mean is p, and 1 where p is 1', async () => {
  const options = { masks: 200, grid: 7, outputSize: [14, 14] as const };
  for (const p of [0.1, 0.5]) {
    const y = await make('mean', options, { p });
    expect(y.every((v) => v >= 0 && v <= 1)).toBe(true);
    const mean = y.reduce((a, b) => a + b, 0) / y.length;
    // 9800 cells
    expect(Math.abs(mean - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 9800) + 0.01);
  }
  const full = await make('mean', options, { p: 1 });
  expectClose(full, new Float64Array(full.length).fill(1), () => 4 * 2 ** -24);
});

test('a cell is set just where its number is below p', async () => {
  const hash = mix(fnv1a('edge:grid'));
  const options = { masks: 1, grid: 1, outputSize: [1, 1] as const };
  expect([...(await make('edge', options, { p: hash / 2 ** 32 }))]).toEqual([0]);
  expect([...(await make('edge', options, { p: (hash + 0.5) / 2 ** 32 }))]).toEqual([1]);
  expect([...(await make('edge', options, { p: (hash + 1) / 2 ** 32 }))]).toEqual([1]);
});

describe.runIf(hasFolder(goldenDir))('golden RISE masks', () => {
  const golden = readTensors(join(goldenDir, 'cams/alexnet.safetensors'));
  const { methods } = readJson<{
    methods: { rise: { N: number; s: number; p: number; key: string; mask_sums: number[] } };
  }>(join(goldenDir, 'cams/alexnet.json'));
  const { N, s, p, key, mask_sums: sums } = methods.rise;
  const side = 224;
  const at = { grid: s, outputSize: [side, side] as const };

  test('all masks follow the golden grids and shifts', async () => {
    const [grid, shift] = [golden('rise.grid')!, golden('rise.shift')!];
    expect(grid.shape).toEqual([N, s, s]);
    const y = await make(key, { ...at, masks: N }, { p });
    for (let n = 0; n < N; n++) {
      const want = maskOf(
        grid.data.subarray(n * s * s, (n + 1) * s * s),
        shift.data.subarray(2 * n, 2 * n + 2),
        s,
        at.outputSize,
      );
      expectClose(y.subarray(n * side * side, (n + 1) * side * side), want, bound);
    }
  });

  test('the first mask, and sums of masks', async () => {
    const y = await make(key, { ...at, masks: sums.length }, { p });
    const { data } = golden('rise.mask0')!;
    expectClose(y.subarray(0, side * side), data, () => bound() + 2 ** -24);
    sums.forEach((want, n) => {
      const sum = y.subarray(n * side * side, (n + 1) * side * side).reduce((a, b) => a + b, 0);
      expect(Math.abs(sum - want) / want).toBeLessThan(1e-6);
    });
  });
});

test('riseMasks and riseOf say what does not fit', () => {
  const rise = { shape: [4] };
  const plan = (options: object) => () =>
    riseMasks.plan({ rise }, { masks: 2, outputSize: [4, 4], ...options });
  expect(plan({ masks: 0 })).toThrow('riseMasks: masks is 0, should be a whole number from 1 on');
  expect(plan({ grid: 0 })).toThrow(
    'riseMasks: grid is 0, should be a whole number from 1 to 1024',
  );
  expect(plan({ outputSize: [4, 0] })).toThrow('outputSize is [4,0]');
  expect(plan({ outputSize: [4, 40_000] })).toThrow('sides should be at most 32768');
  expect(() => riseOf('k', { p: 0 })).toThrow('riseOf: p is 0, should be more than 0');
  expect(() => riseOf('k', { p: 1.5 })).toThrow('p is 1.5');
  expect(() => riseOf('k', { first: -1 })).toThrow('first is -1');
});
