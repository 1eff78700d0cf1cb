import { expect, test } from 'vitest';
import { maxPool2d } from '../../src/kernels/max-pool2d.js';
import { maxPool2dBackward } from '../../src/kernels/max-pool2d-backward.js';
import { maxPool2dValues } from '../../src/kernels/max-pool2d-values.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { dot, expectClose, random, sumBound } from '../support/numbers.js';
import * as reference from '../support/reference-pool.js';

const { gpu } = useGpu();

const cases: readonly reference.PoolCase[] = [
  { x: [1, 1, 1, 1], size: [1, 1] },
  { x: [2, 3, 8, 10], size: [2, 2] },
  { x: [2, 3, 13, 11], size: [3, 3], stride: [2, 2] },
  { x: [1, 2, 9, 12], size: [3, 2], stride: [2, 3], pad: [1, 1] },
  { x: [3, 1, 7, 9], size: [2, 2], stride: [2, 2], ceilMode: true },
  { x: [1, 3, 8, 10], size: [3, 3], stride: [2, 2], pad: [1, 1], ceilMode: true },
  { x: [2, 2, 9, 8], size: [3, 3], stride: [1, 1], pad: [1, 1] },
  { x: [1, 2, 15, 14], size: [3, 2], stride: [2, 1], pad: [1, 0], dilation: [2, 3] },
  {
    x: [1, 2, 15, 14],
    size: [3, 3],
    stride: [2, 2],
    pad: [1, 1],
    dilation: [2, 2],
    ceilMode: true,
  },
  { x: [1, 1, 6, 7], size: [2, 2], stride: [4, 3] },
  { x: [2, 5, 4, 3], size: [4, 3] },
];

/** Few distinct numbers, so that most windows have ties. */
const ties = (shape: readonly number[]): Ndarray => {
  const { data } = random(shape, 9);
  return { shape, data: data.map((v) => Math.round(v * 1.4) + 0) };
};
const sources = {
  random: (shape: readonly number[]) => random(shape, 3),
  ties,
  negative: (shape: readonly number[]): Ndarray => ({
    shape,
    data: random(shape, 4).data.map((v) => v - 2),
  }),
};

for (const c of cases) {
  for (const [name, source] of Object.entries(sources)) {
    test(`maxPool2d of ${name} numbers is its definition: ${JSON.stringify(c)}`, async () => {
      const x = source(c.x);
      const expected = reference.maxPool2d(x, c);
      const got = await runKernel(gpu(), maxPool2d, { x }, c);
      expect([...got.y]).toEqual(expected.y);
      expect([...got.positions]).toEqual(expected.positions);
      for (const variant of maxPool2dValues.variantsFor({ x }, c, testCaps)) {
        const { y } = await runKernel(gpu(), maxPool2dValues, { x }, c, variant);
        expect([...y]).toEqual(expected.y);
      }

      const dy = random(expected.shape, 5);
      const positions = { shape: expected.shape, data: Uint32Array.from(expected.positions) };
      const inputSize = [c.x[2], c.x[3]] as const;
      const ref = reference.maxPool2dBackward(dy, positions, inputSize);
      const back = await runKernel(
        gpu(),
        maxPool2dBackward,
        { dy, positions },
        { ...c, inputSize },
      );
      expectClose(back.dx, ref.y, sumBound(c.size[0] * c.size[1], ref.size));
      // <dy, pool(x)> = <poolᵀ(dy), x>, as pooling is linear where the positions are fixed
      expect(dot(back.dx, x.data)).toBeCloseTo(dot(dy.data, expected.y), 4);
    });
  }
}

test('maxPool2d folds more workgroups than a dimension holds', async () => {
  const c = { x: [3, 2, 17, 16], size: [3, 3], stride: [2, 2], pad: [1, 1] } as const;
  const x = ties(c.x);
  const expected = reference.maxPool2d(x, c);
  const got = await runKernel(gpu(), folded(maxPool2d), { x }, c);
  expect([...got.y]).toEqual(expected.y);
  expect([...(await runKernel(gpu(), folded(maxPool2dValues), { x }, c)).y]).toEqual(expected.y);
  const dy = random(expected.shape);
  const positions = { shape: expected.shape, data: Uint32Array.from(expected.positions) };
  const options = { ...c, inputSize: [17, 16] } as const;
  const { dx } = await runKernel(gpu(), folded(maxPool2dBackward), { dy, positions }, options);
  const ref = reference.maxPool2dBackward(dy, positions, [17, 16]);
  expectClose(dx, ref.y, sumBound(9, ref.size));
});

test('maxPool2d lets infinities compete and NaN win', async () => {
  const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
  const x = {
    shape: [1, 1, 2, 8],
    data: new Float32Array([1, inf, -inf, -inf, 2, nan, nan, 5, 0, 3, -inf, -inf, 9, 9, 1, inf]),
  };
  const { y, positions } = await runKernel(gpu(), maxPool2d, { x }, { size: 2 });
  expect([...y]).toEqual([inf, -inf, nan, nan]);
  expect([...positions]).toEqual([1, 2, 5, 6]);
  expect([...(await runKernel(gpu(), maxPool2dValues, { x }, { size: 2 })).y]).toEqual([...y]);
});

test('pooling says what does not fit', () => {
  const x = { shape: [1, 1, 4, 4] };
  const plan = (options: object) => () => maxPool2d.plan({ x }, options as { size: number });
  expect(plan({})).toThrow('maxPool2d: option size is missing');
  expect(plan({ size: 0 })).toThrow('maxPool2d: size is 0, should be a whole number of at least 1');
  expect(plan({ size: 2, stride: 0.5 })).toThrow('stride is 0.5');
  expect(plan({ size: 2, pad: -1 })).toThrow('pad is -1');
  expect(plan({ size: 3, pad: 2 })).toThrow('pad 2 should be at most half the window of 3');
  expect(plan({ size: 5 })).toThrow('a map side of 4 is too small for a window of 5');
  expect(plan({ size: 2, pad: 1, dilation: 5 })).toThrow('nothing but padding');
  const dy = { shape: [1, 1, 3, 2] };
  expect(() =>
    maxPool2dBackward.plan({ dy, positions: dy }, { size: 2, inputSize: [4, 4] }),
  ).toThrow('dy has maps of 3 x 2, should be 2 x 2 for an input of 4 x 4');
  expect(() => maxPool2dBackward.plan({ dy, positions: dy }, { size: 2 } as never)).toThrow(
    'inputSize is undefined, should be [height, width]',
  );
});
