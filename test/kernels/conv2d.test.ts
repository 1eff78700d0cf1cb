import { expect, test } from 'vitest';
import { conv2d } from '../../src/kernels/conv2d.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random, relativeL2, sumBound } from '../support/numbers.js';
import * as reference from '../support/reference.js';

const { gpu } = useGpu();

const cases: (reference.Conv2dCase & { x: number[]; w: number[] })[] = [
  { x: [1, 1, 1, 1], w: [1, 1, 1, 1] },
  { x: [2, 3, 7, 9], w: [4, 3, 3, 2] },
  { x: [2, 4, 11, 5], w: [6, 2, 3, 3], pad: [1, 1], groups: 2 },
  { x: [1, 3, 23, 17], w: [5, 3, 11, 11], stride: [4, 4], pad: [2, 2] },
  { x: [3, 2, 9, 12], w: [3, 2, 3, 5], stride: [2, 1], pad: [1, 3], dilation: [2, 1] },
  { x: [1, 4, 6, 6], w: [4, 1, 3, 3], pad: [1, 1], groups: 4 },
  { x: [1, 5, 2, 2], w: [3, 5, 3, 3], pad: [2, 2] },
  { x: [1, 35, 13, 13], w: [33, 35, 3, 3], pad: [1, 1] },
];

for (const c of cases) {
  for (const variant of conv2d.variantsFor({ x: { shape: c.x }, w: { shape: c.w } }, c, testCaps)) {
    for (const act of ['none', 'relu'] as const) {
      test(`conv2d ${variant} ${act} is its definition: ${JSON.stringify(c)}`, async () => {
        const [x, w, b] = [random(c.x, 1), random(c.w, 2), random([c.w[0]], 3)];
        const ref = reference.conv2d(x, w, b, c);
        const y = act === 'relu' ? ref.y.map((v) => Math.max(v, 0)) : ref.y;
        const got = await runKernel(gpu(), conv2d, { x, w, b }, { ...c, act }, variant);
        expectClose(got.y, y, sumBound(ref.terms, ref.size));
        expect(relativeL2(got.y, y)).toBeLessThan(2e-5);
      });
    }
  }
}
