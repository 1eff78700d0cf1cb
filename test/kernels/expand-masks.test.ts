import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ExpandMasksOptions, expandMasks } from '../../src/kernels/expand-masks.js';
import { masksAt } from '../../src/kernels/mask-source.js';
import { folded } from '../support/folded.js';
import { goldenDir, hasFolder, readJson, readTensors } from '../support/folders.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { fnv1a, mix } from '../support/hash-weights.js';
import { expectClose, random } from '../support/numbers.js';
import { enlarge } from '../support/reference-cams.js';
import { gridOf, maskOf } from '../support/rise-masks.js';

const { gpu } = useGpu();
// Two weights an axis with a quotient (2.5 units in the last place) and a difference each, products and sums of at most 1.
const bound = () => 24 * 2 ** -24;

const make = async (
  key: string,
  options: Omit<ExpandMasksOptions, 'source'>,
  { p, first = 0 }: { p?: number; first?: number } = {},
) => {
  const at = { shape: [5], data: masksAt(0, first, { key, ...(p && { p }) }) };
  const all = { ...options, source: 'rise' as const };
  return (await runKernel(gpu(), expandMasks, { at }, all)).y as Float32Array;
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
  test(`RISE's masks are their definition: ${masks} of ${grid} x ${grid} at ${p} to [${outputSize}]`, async () => {
    const options = { count: masks, grid, outputSize };
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
  const all = await make('k', { ...options, count: 7 });
  const some = await make('k', { ...options, count: 3 }, { first: 4 });
  expect(some).toEqual(all.subarray(4 * 13 * 17));
  const one = await make('k', { ...options, count: 1 }, { first: 2 });
  expect(one).toEqual(all.subarray(2 * 13 * 17, 3 * 13 * 17));
  expect(await make('K', { ...options, count: 7 })).not.toEqual(all);
  const at = { shape: [5], data: masksAt(0, 0, { key: 'k' }) };
  const how = { ...options, count: 7, source: 'rise' as const };
  const many = await runKernel(gpu(), folded(expandMasks), { at }, how);
  expect(many.y).toEqual(all);
});

test('masks are shares whose mean is p, and 1 where p is 1', async () => {
  const options = { count: 200, grid: 7, outputSize: [14, 14] as const };
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
  const options = { count: 1, grid: 1, outputSize: [1, 1] as const };
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
    const y = await make(key, { ...at, count: N }, { p });
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
    const y = await make(key, { ...at, count: sums.length }, { p });
    const { data } = golden('rise.mask0')!;
    expectClose(y.subarray(0, side * side), data, () => bound() + 2 ** -24);
    sums.forEach((want, n) => {
      const sum = y.subarray(n * side * side, (n + 1) * side * side).reduce((a, b) => a + b, 0);
      expect(Math.abs(sum - want) / want).toBeLessThan(1e-6);
    });
  });
});

/** What one of the other kinds is, by the definition, in float64. */
const kinds: Readonly<
  Record<string, { field: number[]; per: (row: Float32Array, h: number, v: number) => number }>
> = {
  switches: { field: [6, 1, 3], per: (row, h, v) => row[(h * 5 + v) % 3] },
  rectangles: {
    field: [6, 1, 4],
    per: ([top, left, bottom, right], h, v) =>
      h >= top && v >= left && h < bottom && v < right ? 0 : 1,
  },
};
const size = [4, 5] as const;
const labels = {
  shape: [40],
  data: Uint32Array.from({ length: 40 }, (_, i) => (i % 20) % 3),
};

for (const [source, { field, per }] of Object.entries(kinds)) {
  test(`masks of ${source} are their definition, for the image and from the mask asked for`, async () => {
    const { data } = random(field, 3);
    for (let i = 0; i < data.length; i++) data[i] = Math.floor((data[i] + 1) * 3);
    const at = { shape: [5], data: masksAt(1, 1) };
    for (const perImage of [true, false]) {
      const options = { source, count: 2, images: 2, perImage, outputSize: size } as never;
      const y = await runKernel(
        gpu(),
        expandMasks,
        { field: { shape: field, data }, labels, at },
        options,
      );
      const want = Float64Array.from({ length: 40 }, (_, i) => {
        const row = (perImage ? 3 : 0) + 1 + Math.floor(i / 20);
        const n = field[2];
        return per(data.subarray(row * n, row * n + n), Math.floor((i % 20) / 5), i % 5);
      });
      expect([...y.y]).toEqual([...want]);
    }
  });
}

test('maps are enlarged bilinearly, and taken as they are at full size', async () => {
  const at = { shape: [5], data: masksAt(1, 1) };
  for (const [FH, FW] of [
    [2, 3],
    [4, 5],
    [1, 1],
    [7, 9],
  ]) {
    const field = random([6, FH, FW], 5);
    const options = {
      source: 'maps',
      count: 2,
      images: 2,
      perImage: true,
      outputSize: size,
    } as const;
    const { y } = await runKernel(gpu(), expandMasks, { field, at }, options);
    for (let n = 0; n < 2; n++) {
      const map = field.data.subarray((4 + n) * FH * FW, (5 + n) * FH * FW);
      expectClose(
        y.subarray(n * 20, n * 20 + 20),
        enlarge(map, [FH, FW], size),
        () => 24 * 2 ** -24,
      );
    }
  }
});

test('expandMasks and masksAt say what does not fit', () => {
  const at = { shape: [5] };
  const plan =
    (options: object, reads: object = {}) =>
    () =>
      expandMasks.plan(
        { at, ...reads },
        { source: 'rise', count: 2, outputSize: [4, 4], ...options },
      );
  const field = { shape: [3, 1, 4] };
  expect(plan({ count: 0 })).toThrow('count is 0, should be a whole number from 1 on');
  expect(plan({ grid: 0 })).toThrow('grid is 0, should be a whole number from 1 to 1024');
  expect(plan({ outputSize: [4, 0] })).toThrow('outputSize is [4,0]');
  expect(plan({ outputSize: [4, 40_000] })).toThrow('sides should be at most 32768');
  expect(plan({ source: 'maps' })).toThrow('field is missing: maps are made from it');
  expect(plan({ source: 'maps', count: 4 }, { field })).toThrow(
    '4 masks of an image should be among the 3',
  );
  expect(plan({ source: 'maps', count: 1, images: 2, perImage: true }, { field })).toThrow(
    'among the 1.5',
  );
  expect(plan({ source: 'switches' }, { field })).toThrow(
    'labels [0] should be [16], one for each pixel',
  );
  expect(plan({ source: 'switches' }, { field: { shape: [3, 2, 2] } })).toThrow(
    'should be [F,1,n]',
  );
  expect(plan({ source: 'rectangles' }, { field: { shape: [3, 1, 5] } })).toThrow(
    'should be [F,1,4]',
  );
  expect(() => masksAt(0, 0, { key: 'k', p: 0 })).toThrow('p is 0, should be more than 0');
  expect(() => masksAt(0, 0, { key: 'k', p: 1.5 })).toThrow('p is 1.5');
  expect(() => masksAt(0, -1)).toThrow('first is -1');
  expect(() => masksAt(0.5, 0)).toThrow('image is 0.5');
});
