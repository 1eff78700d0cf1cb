/** conv2d's variants for devices whose subgroups multiply matrices, with those products written out: see linear-matrix.test.ts. */
import { expect, test } from 'vitest';
import type { Caps } from '../../src/gpu/caps.js';
import { type Conv2dOptions, conv2d } from '../../src/kernels/conv2d.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { byMatrices, capsWith, shapesOf } from '../support/matrices.js';
import { expectClose, random, sumBound } from '../support/numbers.js';
import * as reference from '../support/reference.js';
import { convOutput } from '../support/reference-conv.js';
import { maxPool2d } from '../support/reference-pool.js';
import { channels } from '../support/slices.js';

const { gpu } = useGpu();

type Case = Pick<Conv2dOptions, 'act' | 'pool'> &
  reference.Conv2dCase & {
    readonly side: number;
    readonly subgroups: number;
    readonly x: readonly number[];
    readonly w: readonly number[];
  };

// A software adapter takes seconds to compile barriers within loops: each case once, and all in several workgroups. Of eight subgroups half have no strip,
// two take two each in turn, one takes all. Taps are no whole slices, filters and pixels no whole tiles; pooled outputs have a last row or column in no window.
const cases: readonly Case[] = [
  { side: 8, subgroups: 8, x: [2, 5, 9, 11], w: [70, 5, 3, 3], pad: [1, 1], act: 'relu' },
  { side: 8, subgroups: 2, x: [3, 6, 13, 8], w: [10, 3, 3, 2], stride: [2, 1], groups: 2 },
  { side: 16, subgroups: 4, x: [2, 4, 11, 12], w: [67, 4, 3, 3], pad: [1, 1], pool: true },
  {
    side: 16,
    subgroups: 1,
    x: [3, 8, 11, 15],
    w: [36, 4, 2, 3],
    stride: [1, 2],
    pad: [0, 2],
    dilation: [2, 1],
    groups: 2,
    act: 'relu',
    pool: true,
  },
];

for (const { side, subgroups, act, pool, ...c } of cases) {
  const name = JSON.stringify({ ...c, act, pool });
  test(`matrices of ${side} x ${side}, ${subgroups} subgroups in a workgroup: y is its definition: ${name}`, {
    timeout: 120_000,
  }, async () => {
    const k = c.w[0];
    const [x, w, b] = [random(c.x, 1), random(c.w, 2), random([k], 3)];
    const whole = reference.conv2d(x, w, b, c);
    const shape = [c.x[0], k, ...convOutput(c.x, c.w, c)];
    const written = (values: Float64Array) =>
      pool ? maxPool2d({ shape, data: values } as never, { x: [], size: [2, 2] }).y : [...values];
    const expected = written(act === 'relu' ? whole.y.map((v) => Math.max(v, 0)) : whole.y);

    const options = { ...c, act, pool, k0: 2, kTotal: k + 3 } as Conv2dOptions;
    const emulated = byMatrices(conv2d, side, subgroups);
    const plan = emulated.plan({ x, w, b }, options);
    expect(plan.workgroups[0]).toBeGreaterThan(3);
    const got = await runKernel(gpu(), emulated, { x, w, b }, options);
    const y = { shape: plan.results.y.shape, data: got.y as Float32Array };
    expectClose(channels(y, 2, k).data, expected, sumBound(whole.terms, written(whole.size)));
    expect(channels(y, 0, 2).data.every(Number.isNaN)).toBe(true);
    expect(channels(y, k + 2, 1).data.every(Number.isNaN)).toBe(true);
  });
}

test('taken where the device lists the shape for the elements and tiles are many and mostly full', () => {
  const picked = (
    caps: Caps,
    [C, K, side, filter = 3]: readonly number[],
    storage: 'f32' | 'f16' = 'f32',
    options: Conv2dOptions = {},
  ) => {
    const shapes = { x: { shape: [1, C, side, side] }, w: { shape: [K, C, filter, filter] } };
    return conv2d.plan(shapes, { pad: (filter - 1) / 2, ...options }, { caps, storage }).variant;
  };
  const large = [128, 128, 56];
  const both = capsWith([...shapesOf(8, 'f32'), ...shapesOf(16, 'f32')]);
  expect(picked(both, large)).toBe('matrix-16');
  expect(picked(capsWith(shapesOf(8, 'f32')), large)).toBe('matrix-8');
  expect(picked(both, large, 'f32', { pool: true, stride: 2 })).toBe('deep');
  expect(picked(both, [128, 128, 112], 'f32', { pool: true, stride: 2 })).toBe('matrix-16');
  expect(picked(capsWith(shapesOf(8, 'f16')), large)).toBe('block');
  const half = capsWith(shapesOf(16, 'f16'), ['shader-f16']);
  expect(picked(half, large, 'f16')).toBe('matrix-16');
  expect(picked(half, large)).toBe('block');
  expect(picked({ ...both, kind: 'software' }, large)).not.toMatch(/matrix/);
  // Filters of one pixel, 64 taps; fewer taps; fewer filters; three quarters of a tile; few pixels.
  expect(picked(both, [64, 64, 56, 1])).toBe('matrix-16');
  expect(picked(both, [60, 64, 56, 1])).toBe('product');
  expect(picked(both, [3, 64, 224])).toBe('patch');
  expect(picked(both, [64, 32, 112])).toBe('block');
  expect(picked(both, [64, 48, 112])).toBe('matrix-16');
  expect(picked(both, [512, 512, 14])).toBe('deep');
});
