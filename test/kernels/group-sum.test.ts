import { expect, test } from 'vitest';
import { groupSum } from '../../src/kernels/group-sum.js';
import { folded } from '../support/folded.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random, sumBound } from '../support/numbers.js';

const { gpu } = useGpu();

/** Sizes of groups as even as can be, larger ones first: dealt out one map at a time. */
function sizesOf(maps: number, groups: number): number[] {
  const sizes = new Array(groups).fill(0);
  for (let k = 0; k < maps; k++) sizes[k % groups]++;
  return sizes;
}

const cases = [
  { x: [1, 1, 1, 1], groups: 1 },
  { x: [2, 6, 3, 5], groups: 3 },
  { x: [3, 7, 5, 9], groups: 3 },
  { x: [2, 7, 5, 9], groups: 7 },
  { x: [1, 7, 13, 13], groups: 1 },
  { x: [1, 64, 7, 7], groups: 32 },
  { x: [1, 65, 7, 7], groups: 32 },
  { x: [1, 63, 7, 7], groups: 32 },
];

for (const { x: shape, groups } of cases) {
  for (const fold of [false, true]) {
    const [N, K, H, W] = shape;
    if (fold && N * groups * H * W <= 192) continue;
    test(`groupSum is its definition: [${shape}] in ${groups} ${fold ? 'folded' : ''}`, async () => {
      const x = random(shape, 1);
      const terms: number[][] = [];
      for (let n = 0; n < N; n++) {
        let k = 0;
        for (const count of sizesOf(K, groups)) {
          for (let i = 0; i < H * W; i++) {
            terms.push(
              Array.from({ length: count }, (_, j) => x.data[(n * K + k + j) * H * W + i]),
            );
          }
          k += count;
        }
        expect(k).toBe(K);
      }
      const sums = terms.map((t) => t.reduce((a, b) => a + b, 0));
      const bound = sumBound(
        Math.ceil(K / groups),
        terms.map((t) => t.reduce((a, b) => a + Math.abs(b), 0)),
      );
      const kernel = fold ? folded(groupSum) : groupSum;
      const { y } = await runKernel(gpu(), kernel, { x }, { groups });
      expectClose(y, sums, bound);
      const positive = await runKernel(gpu(), kernel, { x }, { groups, act: 'relu' });
      expectClose(
        positive.y,
        sums.map((v) => Math.max(0, v)),
        bound,
      );
    });
  }
}

test('groupSum: the first groups are the larger ones, and a NaN stays', async () => {
  const x = { shape: [1, 5, 1, 1], data: Float32Array.of(1, 2, 4, 8, -16) };
  expect([...(await runKernel(gpu(), groupSum, { x }, { groups: 2 })).y]).toEqual([7, -8]);
  expect([...(await runKernel(gpu(), groupSum, { x }, { groups: 3 })).y]).toEqual([3, 12, -16]);
  expect([...(await runKernel(gpu(), groupSum, { x }, { groups: 5 })).y]).toEqual([...x.data]);
  x.data[0] = Number.NaN;
  const { y } = await runKernel(gpu(), groupSum, { x }, { groups: 2, act: 'relu' });
  expect([...y]).toEqual([Number.NaN, 0]);
});

test('groupSum says what does not fit', () => {
  const plan = (groups: number) => () => groupSum.plan({ x: { shape: [1, 8, 2, 2] } }, { groups });
  expect(plan(9)).toThrow('groupSum: groups is 9, should be a whole number from 1 to 8');
  expect(plan(0)).toThrow('groups is 0');
  expect(plan(2.5)).toThrow('groups is 2.5');
});
