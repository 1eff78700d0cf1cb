/**
 * linear's variants for devices whose subgroups multiply matrices, with those products written out. What is loaded from where and goes where, padding and
 * turns of subgroups, is the shader's own. That devices take it as it stands is compiled in test/gpu/shaders.test.ts.
 */
import { expect, test } from 'vitest';
import type { Caps } from '../../src/gpu/caps.js';
import { linear } from '../../src/kernels/linear.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { byMatrices, capsWith, shapesOf } from '../support/matrices.js';
import { expectClose, random, sumBound } from '../support/numbers.js';
import { matrixProduct } from '../support/reference-conv.js';

const { gpu } = useGpu();

// Of eight subgroups half have no strip, two take two each in turn, one takes all.
for (const [side, subgroups] of [
  [8, 8],
  [8, 2],
  [16, 4],
  [16, 1],
]) {
  // A software adapter takes seconds to compile barriers within loops: one shape, with edges on all sides, in four workgroups.
  const [n, c, k] = [67, 37, 70];
  const options = { k0: 2, kTotal: k + 3, act: 'relu' } as const;
  test(`matrices of ${side} x ${side}, ${subgroups} subgroups in a workgroup: y is its definition`, {
    timeout: 120_000,
  }, async () => {
    const [x, w, b] = [random([n, c], 1), random([k, c], 2), random([k], 3)];
    const r = random([n, k + 3], 4);
    const emulated = byMatrices(linear, side, subgroups);
    const { y } = await runKernel(gpu(), emulated, { x, w, b, r }, options);
    const product = matrixProduct(
      n,
      c,
      k,
      (i, t) => x.data[i * c + t],
      (t, j) => w.data[j * c + t],
    );
    const at = (i: number) => Math.floor(i / k) * (k + 3) + 2 + (i % k);
    const expected = product.y.map((v, i) => Math.max(0, v + b.data[i % k]) + r.data[at(i)]);
    const size = product.size.map((v, i) => v + Math.abs(b.data[i % k]) + Math.abs(r.data[at(i)]));
    const own = expected.map((_, i) => y[at(i)]);
    expectClose(own, expected, sumBound(c + 2, size));
    expect(y.filter(Number.isNaN).length).toBe(3 * n);
  });
}

test('taken where the device lists the shape for the elements, with sums of 32 bits', () => {
  const shapes = { x: { shape: [512, 768] }, w: { shape: [768, 768] } };
  const picked = (caps: Caps, storage: 'f32' | 'f16' = 'f32') =>
    linear.plan(shapes, {}, { caps, storage }).variant;
  expect(picked(capsWith(shapesOf(8, 'f32')))).toBe('matrix-8');
  expect(picked(capsWith([...shapesOf(8, 'f32'), ...shapesOf(16, 'f32')]))).toBe('matrix-16');
  expect(picked(capsWith(shapesOf(8, 'f16')))).toBe('block');
  expect(picked(capsWith(shapesOf(16, 'f16'), ['shader-f16']), 'f16')).toBe('matrix-16');
  expect(picked(capsWith(shapesOf(8, 'f32'), ['shader-f16']), 'f16')).toBe('block');
  // 16-bit sums are not taken, nor are matrices that are not square.
  expect(picked(capsWith(shapesOf(8, 'f16', 'f16'), ['shader-f16']), 'f16')).toBe('block');
  expect(picked(capsWith([{ ...shapesOf(8, 'f32')[0], N: 16 }]))).toBe('block');
  expect(picked(capsWith(undefined))).toBe('block');
  expect(picked({ ...capsWith(shapesOf(8, 'f32')), kind: 'software' })).not.toMatch(/matrix/);
  // Rows that fill tiles of 64 go by matrices before they share out the sum, fewer do not.
  const ofRows = (rows: number, matrices: Caps['matrices']) =>
    linear.plan({ ...shapes, x: { shape: [rows, 768] } }, {}, { caps: capsWith(matrices) }).variant;
  expect([16, 64, 65].map((rows) => ofRows(rows, shapesOf(8, 'f32')))).toEqual([
    'splitk',
    'splitk',
    'matrix-8',
  ]);
  expect(ofRows(65, undefined)).toBe('splitk');
});
