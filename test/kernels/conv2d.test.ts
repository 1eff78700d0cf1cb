import { expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { conv2d } from '../../src/kernels/conv2d.js';
import { convCases, forWideTiles } from '../support/conv-cases.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random, relativeL2, sumBound } from '../support/numbers.js';
import * as reference from '../support/reference.js';
import { maxPool2d } from '../support/reference-pool.js';
import { channels } from '../support/slices.js';
import { hasTurn } from '../support/turns.js';

const { gpu } = useGpu();

// Each case has a pipeline of its own for every variant, and compiling is what takes the time: options take turns.
for (const [i, c] of convCases.entries()) {
  const [x, w, b] = [random(c.x, 1), random(c.w, 2), random([c.w[0]], 3)];
  const ref = reference.conv2d(x, w, b, c);
  for (const variant of conv2d.variantsFor({ x, w }, c, testCaps)) {
    if (i < forWideTiles && !hasTurn(conv2d, variant, i)) continue;
    for (const act of [i % 3 === 1 ? 'relu' : 'none'] as const) {
      test(`conv2d ${variant} ${act} is its definition: ${JSON.stringify(c)}`, async () => {
        const y = act === 'relu' ? ref.y.map((v) => Math.max(v, 0)) : ref.y;
        const got = await runKernel(gpu(), conv2d, { x, w, b }, { ...c, act }, variant);
        expectClose(got.y, y, sumBound(ref.terms, ref.size));
        expect(relativeL2(got.y, y)).toBeLessThan(2e-5);
      });
    }

    if (i % 4 !== 1) continue;
    test(`conv2d ${variant} writes its channels of a wider result: ${JSON.stringify(c)}`, async () => {
      const k = c.w[0];
      const options = { ...c, k0: 3, kTotal: k + 5 };
      const narrow = await runKernel(gpu(), conv2d, { x, w }, c, variant);
      const wide = await runKernel(gpu(), conv2d, { x, w }, options, variant);
      const { shape } = conv2d.plan({ x, w }, options).results.y;
      const y = { shape, data: wide.y as Float32Array };
      expect(channels(y, 3, k).data).toEqual(narrow.y);
      expect(channels(y, 0, 3).data.every(Number.isNaN)).toBe(true);
      expect(channels(y, k + 3, 2).data.every(Number.isNaN)).toBe(true);
    });
  }
}

// Outputs of odd sizes, whose last row and column are in no window; several images and groups, strides, filters for every variant that pools.
for (const { act, ...c } of [
  { x: [2, 4, 12, 13], w: [6, 2, 3, 3], pad: [1, 1], stride: [1, 2], groups: 2, act: 'none' },
  { x: [3, 8, 9, 10], w: [70, 8, 3, 3], pad: [1, 1], act: 'relu' },
] as const) {
  const [x, w, b] = [random(c.x, 1), random(c.w, 2), random([c.w[0]], 3)];
  x.data[10] = Number.NaN;
  const ref = reference.conv2d(x, w, b, { ...c, x: [...c.x], w: [...c.w] } as never);
  const [P, Q] = 'groups' in c ? [12, 7] : [9, 10];
  const pooled = (data: Float64Array) =>
    maxPool2d({ shape: [c.x[0], c.w[0], P, Q], data } as never, { x: [], size: [2, 2] }).y;
  const y = pooled(act === 'relu' ? ref.y.map((v) => Math.max(v, 0)) : ref.y);
  const size = pooled(ref.size).map((v) => (Number.isNaN(v) ? 0 : v));
  const variants = conv2d.variantsFor({ x, w }, { ...c, pool: true }, testCaps);
  for (const variant of variants) {
    test(`conv2d ${variant} writes the largest of 2 x 2: ${JSON.stringify(c)}`, async () => {
      const options = { ...c, act, pool: true, k0: 1, kTotal: c.w[0] + 3 };
      const got = await runKernel(gpu(), conv2d, { x, w, b }, options, variant);
      const { shape } = conv2d.plan({ x, w, b }, options).results.y;
      expect(shape).toEqual([c.x[0], c.w[0] + 3, Math.floor(P / 2), Math.floor(Q / 2)]);
      const all = { shape, data: got.y as Float32Array };
      const made = channels(all, 1, c.w[0]).data;
      expect(Array.from(made, Number.isNaN)).toEqual(y.map(Number.isNaN));
      const number = (v: number) => (Number.isNaN(v) ? 0 : v);
      expectClose(Array.from(made, number), Array.from(y, number), sumBound(ref.terms, size));
      expect(channels(all, 0, 1).data.every(Number.isNaN)).toBe(true);
      expect(channels(all, c.w[0] + 1, 2).data.every(Number.isNaN)).toBe(true);
    });
  }
  test(`conv2d pools in ${variants.join(', ')}`, () => {
    expect(y.some(Number.isNaN)).toBe(true);
    expect(variants).toEqual(
      act === 'none' ? ['block-scalar', 'direct'] : ['deep', 'wide', 'block', 'direct'],
    );
  });
}

test('conv2d refuses what does not fit', () => {
  const plan = (x: number[], w: number[], options = {}) =>
    conv2d.plan({ x: { shape: x }, w: { shape: w } }, options);
  expect(() => plan([1, 3, 4, 4], [2, 2, 3, 3])).toThrow(ShapeError);
  expect(() => plan([1, 3, 2, 2], [2, 3, 3, 3])).toThrow('too small for a 3 x 3 filter');
  expect(() => plan([1, 3, 3, 9], [2, 3, 3, 3], { pool: true })).toThrow(
    'pooling of 1 x 7 outputs should have at least 2 x 2',
  );
  expect(() => plan([1, 3, 4, 4], [2, 3, 3, 3], { stride: 0 })).toThrow('stride is 0');
  expect(() => plan([1, 3, 4, 4], [2, 3, 3, 3], { k0: 1, kTotal: 2 })).toThrow('channels 1 .. 3');
});
