import { expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { type Caps, coreCaps } from '../../src/gpu/caps.js';
import { linear } from '../../src/kernels/linear.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random, relativeL2, sumBound } from '../support/numbers.js';
import { matrixProduct } from '../support/reference-conv.js';
import { gelu } from '../support/reference-normal.js';
import { channels } from '../support/slices.js';
import { hasTurn } from '../support/turns.js';

const { gpu } = useGpu();

const cases: { n: number; c: number; k: number }[] = [
  { n: 1, c: 1, k: 1 },
  { n: 1, c: 7, k: 3 },
  { n: 1, c: 512, k: 130 },
  { n: 2, c: 36, k: 5 },
  { n: 3, c: 33, k: 65 },
  { n: 5, c: 260, k: 34 },
  { n: 8, c: 128, k: 64 },
  { n: 9, c: 61, k: 40 },
  { n: 17, c: 64, k: 35 },
  { n: 67, c: 36, k: 70 },
  { n: 130, c: 20, k: 131 },
  { n: 16, c: 8, k: 64 },
  { n: 128, c: 8, k: 128 },
  { n: 33, c: 68, k: 21 },
  { n: 4, c: 100, k: 75 },
];

// A software adapter takes seconds to compile as much workgroup memory: these run in every fourth case, which have what matters to them.
const slowToCompile = ['splitk', 'block'];

for (const [i, { n, c, k }] of cases.entries()) {
  const [x, w, b] = [random([n, c], 1), random([k, c], 2), random([k], 3)];
  for (const variant of linear.variantsFor({ x, w, b }, {}, testCaps)) {
    if (slowToCompile.includes(variant) ? i % 4 !== 1 : !hasTurn(linear, variant, i)) continue;
    const shape = `[${n},${c}] to ${k}`;
    for (const act of [(['none', 'relu', 'gelu'] as const)[i % 3]]) {
      const r = i % 2 === 1 ? random([n, k], 4) : undefined;
      test(`linear ${variant} ${act} is its definition: ${shape}`, async () => {
        const ref = matrixProduct(
          n,
          c,
          k,
          (i, t) => x.data[i * c + t],
          (t, j) => w.data[j * c + t],
        );
        const whole = ref.y.map((v, i) => v + b.data[i % k]);
        const acts = { none: (v: number) => v, relu: (v: number) => Math.max(v, 0), gelu };
        const y = whole.map((v, i) => acts[act](v) + (r?.data[i] ?? 0));
        const size = ref.size.map(
          (v, i) => v + Math.abs(b.data[i % k]) + Math.abs(r?.data[i] ?? 0),
        );
        const got = await runKernel(gpu(), linear, { x, w, b, r }, { act }, variant);
        // The slope of GELU is at most 1.13, its own error 2e-7 of it.
        const more = act === 'gelu' ? 6 : 2;
        expectClose(got.y, y, sumBound(1.13 * c + more, size));
        expect(relativeL2(got.y, y)).toBeLessThan(2e-5);
      });
    }

    if (i % 3 !== 0) continue;
    test(`linear ${variant} writes its columns of a wider result: ${shape}`, async () => {
      const options = { k0: 3, kTotal: k + 5 };
      const narrow = await runKernel(gpu(), linear, { x, w }, {}, variant);
      const wide = await runKernel(gpu(), linear, { x, w }, options, variant);
      const y = { shape: [n, k + 5], data: wide.y as Float32Array };
      expect(channels(y, 3, k).data).toEqual(narrow.y);
      expect(channels(y, 0, 3).data.every(Number.isNaN)).toBe(true);
      expect(channels(y, k + 3, 2).data.every(Number.isNaN)).toBe(true);
    });
  }
}

for (const variant of linear.spec.variants.map((v) => v.name)) {
  const [c, k] = [132, 37];
  const [whole, w, b] = [random([40, c], 1), random([k, c], 2), random([k], 3)];
  const rows = (n: number) => ({ shape: [n, c], data: whole.data.subarray(0, n * c) });
  const canDo = (n: number) =>
    linear.variantsFor({ x: rows(n), w }, {}, testCaps).includes(variant);
  const most = [40, 8].find(canDo);
  if (most === undefined) continue; // the device lacks what it needs
  test(`linear ${variant} gives a row the same bytes alone and among others, run after run`, async () => {
    const run = async (n: number) =>
      (await runKernel(gpu(), linear, { x: rows(n), w, b }, { act: 'gelu' }, variant)).y;
    const all = await run(most);
    expect(await run(most)).toEqual(all);
    for (const n of most === 8 ? [3] : variant === 'quad' ? [3, 33] : [33].filter(canDo)) {
      expect(await run(n)).toEqual(all.subarray(0, n * k));
    }
  });
}

test('linear takes the variant made for the device and the sizes', () => {
  const picked = (n: number, c: number, k: number, kind: Caps['kind'], ...features: string[]) => {
    const caps = { ...coreCaps, kind, features: new Set(features) };
    return linear.plan({ x: { shape: [n, c] }, w: { shape: [k, c] } }, {}, { caps }).variant;
  };
  expect(picked(1, 9216, 1024, 'gpu')).toBe('gemv');
  expect(picked(8, 9216, 1024, 'gpu', 'subgroups')).toBe('gemv-subgroup');
  expect(picked(16, 9216, 1024, 'gpu', 'subgroups')).toBe('splitk');
  expect(picked(197, 768, 3072, 'gpu')).toBe('block');
  expect(picked(197, 3072, 768, 'gpu')).toBe('splitk');
  expect(picked(394, 3072, 768, 'gpu')).toBe('block');
  expect(picked(197, 770, 30, 'gpu')).toBe('block-scalar');
  expect(picked(1, 9216, 1024, 'software', 'subgroups')).toBe('quad');
  expect(picked(197, 768, 3072, 'software', 'subgroups')).toBe('quad');
  expect(picked(16, 9216, 1024, 'software')).toBe('thin');
  expect(picked(197, 770, 30, 'software', 'subgroups')).toBe('tile');
});

test('linear refuses what does not fit', () => {
  const w = { shape: [4, 3] };
  expect(() => linear.plan({ x: { shape: [1, 2] }, w })).toThrow(ShapeError);
  expect(() => linear.plan({ x: { shape: [1, 3] }, w }, { k0: 1, kTotal: 4 })).toThrow(
    'channels 1 .. 5 should lie within the 4 of y',
  );
});
