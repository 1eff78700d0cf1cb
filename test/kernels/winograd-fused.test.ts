import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { coreCaps } from '../../src/gpu/caps.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import { conv2d } from '../../src/kernels/conv2d.js';
import {
  winogradConv2d,
  winogradFilterShape,
  winogradFilters,
} from '../../src/kernels/winograd.js';
import { winogradFused } from '../../src/kernels/winograd-fused.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { dot, expectClose, random, relativeL2, sumBound } from '../support/numbers.js';
import * as reference from '../support/reference.js';
import { conv2dBackwardInput } from '../support/reference-conv.js';
import { maxPool2d } from '../support/reference-pool.js';
import { channels } from '../support/slices.js';

const { gpu } = useGpu();

type Data = Ndarray & { data: Float32Array };

/** What is stated of F(2 x 2, 3 x 3): relative L2 against float64. */
const stated = 2e-6;

const filtersOf = (w: Data, turned = false): Data => {
  const [K, C] = w.shape;
  const shape = turned ? winogradFilterShape(C, K, 2) : winogradFilterShape(K, C, 2);
  return { shape, data: winogradFilters(w.data, [K, C], 2, turned) };
};

const variants = winogradFused.variantsFor(
  { x: { shape: [1, 1, 3, 3] }, u: { shape: [16, 1, 4, 16] } },
  { filters: 1 },
  testCaps,
);

// Compiling the variant for GPUs takes seconds a case: options take turns. Several images, odd sizes, filters that fill no pack, one and a half or
// two of them, tiles of several blocks and of a part of one, channels that fill no slice.
const cases = [
  { x: [1, 1, 3, 3], w: [1, 1, 3, 3], pad: [0, 0] },
  { x: [1, 18, 13, 13], w: [34, 18, 3, 3], pad: [1, 1], pool: true },
  { x: [3, 6, 6, 11], w: [20, 6, 3, 3], pad: [2, 0], act: 'relu', pool: true },
  { x: [5, 33, 13, 14], w: [64, 33, 3, 3], pad: [1, 1], act: 'relu' },
] as const;

for (const { x: xs, w: ws, pad, ...options } of cases) {
  const [x, w, b] = [random(xs, 1), random(ws, 2), random([ws[0]], 3)];
  const { y, size, terms } = reference.conv2d(x, w, b, { pad: [...pad] } as never);
  const act = 'act' in options;
  const sums = act ? y.map((v) => Math.max(v, 0)) : y;
  const [P, Q] = [xs[2] + 2 * pad[0] - 2, xs[3] + 2 * pad[1] - 2];
  const pooled = (data: Float64Array) =>
    maxPool2d({ shape: [xs[0], ws[0], P, Q], data } as never, { x: [], size: [2, 2] }).y;
  const bound = sumBound(8 * terms, size);
  for (const variant of variants) {
    test(`winogradFused ${variant} is a convolution: ${JSON.stringify({ x: xs, w: ws, pad, ...options })}`, async () => {
      const reads = { x, u: filtersOf(w), b };
      const given = { filters: ws[0], pad, ...options };
      const got = await runKernel(gpu(), winogradFused, reads, given, variant);
      if ('pool' in options) {
        const most = Math.max(...size.map((_, i) => bound(i)));
        expectClose(got.y, pooled(sums), () => most);
        expect(relativeL2(got.y, pooled(sums))).toBeLessThan(stated);
      } else {
        expectClose(got.y, sums, bound);
        expect(relativeL2(got.y, sums)).toBeLessThan(stated);
      }
    });
  }
}

describe.each(variants)('winogradFused %s', (variant) => {
  test('writes its channels of a wider result, the same bytes for an image anywhere in a batch, and a NaN where one is met', async () => {
    const [x, w] = [random([4, 5, 8, 8], 4), random([18, 5, 3, 3], 5)];
    x.data.copyWithin(3 * 320, 0, 320);
    x.data[(2 * 5 + 3) * 64 + 3 * 8 + 3] = Number.NaN; // in one image, of tiles 1 and 2 either way
    const options = { filters: 18, pad: 1, pool: true, k0: 2, kTotal: 21 };
    const got = await runKernel(gpu(), winogradFused, { x, u: filtersOf(w) }, options, variant);
    const all = { shape: [4, 21, 4, 4], data: got.y as Float32Array };
    expect(channels(all, 0, 2).data.every(Number.isNaN)).toBe(true);
    expect(channels(all, 20, 1).data.every(Number.isNaN)).toBe(true);
    const y = channels(all, 2, 18).data;
    expect(y.slice(3 * 288)).toEqual(y.slice(0, 288));
    y.forEach((v, i) => {
      const [n, p, q] = [Math.floor(i / 288), Math.floor(i / 4) % 4, i % 4];
      const meets = n === 2 && p >= 1 && p <= 2 && q >= 1 && q <= 2;
      expect(Number.isNaN(v)).toBe(meets);
    });
  });

  test('with turned filters it is the gradient with respect to the input, and the adjoint', async () => {
    const [dy, w, x] = [
      random([2, 18, 8, 9], 9),
      random([18, 18, 3, 3], 10),
      random([2, 18, 8, 9], 11),
    ];
    const { y: dx } = conv2dBackwardInput(dy, w, [2, 18, 8, 9], { pad: [1, 1] });
    const turned = { x: dy, u: filtersOf(w, true) };
    const got = await runKernel(gpu(), winogradFused, turned, { filters: 18, pad: 1 }, variant);
    expect(relativeL2(got.y, dx)).toBeLessThan(stated);
    const { y } = await runKernel(
      gpu(),
      winogradFused,
      { x, u: filtersOf(w) },
      { filters: 18, pad: 1 },
      variant,
    );
    const [a, b] = [dot(dy.data, y as Float32Array), dot(got.y as Float32Array, x.data)];
    expect(Math.abs(a - b)).toBeLessThan(stated * Math.sqrt(dot(y, y) * dot(dy.data, dy.data)));
  });
});

/** Layers of VGG-16 behind the first: channels, filters, side, and how many there are. */
const vggLayers = [
  [64, 64, 224, 1],
  [64, 128, 112, 1],
  [128, 128, 112, 1],
  [128, 256, 56, 1],
  [256, 256, 56, 2],
  [256, 512, 28, 1],
  [512, 512, 28, 2],
  [512, 512, 14, 3],
] as const;

test('on a GPU each 3 x 3 layer of VGG-16 but the first is one dispatch, and all have half of the work, transformations and empty places of blocks included', () => {
  let [direct, fused] = [0, 0];
  for (const [C, K, side, times] of vggLayers) {
    const x = placeholder([1, C, side, side]);
    const r = new Recorder(coreCaps);
    const u = placeholder(winogradFilterShape(K, C, 2));
    const plan = r.plan([winogradConv2d(r, { x, u }, { tile: 2, filters: K, pad: 1 })]);
    expect(plan.steps.map((s) => `${s.kernel} ${s.variant}`)).toEqual(['winogradFused block']);
    expect(plan.dispatches).toBe(1);
    direct += times * conv2d.plan({ x, w: { shape: [K, C, 3, 3] } }, { pad: 1 }).flops;
    fused += times * plan.flops;
  }
  expect(fused).toBeLessThanOrEqual(0.5 * direct);
});

test('the first layer, three channels padded to four, would take almost three quarters of its direct work', () => {
  const x = { shape: [1, 3, 224, 224] };
  const u = { shape: winogradFilterShape(64, 3, 2) };
  const { flops } = winogradFused.plan({ x, u }, { filters: 64, pad: 1 });
  const direct = conv2d.plan({ x, w: { shape: [64, 3, 3, 3] } }, { pad: 1 }).flops;
  expect(flops / direct).toBeGreaterThan(0.7);
  expect(flops / direct).toBeLessThan(0.75);
});

test('what does not fit is refused in one line', () => {
  const plan = (C: number, u: number[], filters: number, options = {}, side = 8) =>
    winogradFused.plan(
      { x: { shape: [1, C, side, side] }, u: { shape: u } },
      { filters, ...options },
    );
  expect(() => plan(5, [16, 1, 8, 16], 17)).toThrow('should have 2 of 8 for 17 filters');
  expect(() => plan(9, [16, 1, 8, 16], 16)).toThrow('should have 1 of 12');
  expect(() => plan(5, [36, 1, 8, 16], 16)).toThrow(ShapeError);
  expect(() => plan(5, [16, 1, 8, 16], 16, {}, 2)).toThrow('too small for a 3 x 3 filter');
  expect(() => plan(5, [16, 1, 8, 16], 16, { pool: true }, 3)).toThrow(
    'pooling of 1 x 1 outputs should have at least 2 x 2',
  );
  const r = new Recorder({ ...coreCaps, kind: 'software' });
  const reads = { x: r.blank([1, 5, 8, 8]), u: r.blank([36, 1, 8, 16]) };
  const convolve = (options: object) => () =>
    winogradConv2d(r, reads, { tile: 4, filters: 16, ...options });
  expect(convolve({ fused: true })).toThrow('one dispatch is for tiles of 2');
  expect(convolve({ pool: true, k0: 1, kTotal: 20 })).toThrow('no part of another tensor');
});

test('in three dispatches a group of tiles, what pools is one more', async () => {
  const [x, w] = [random([1, 5, 9, 8], 12), random([18, 5, 3, 3], 13)];
  const ref = reference.conv2d(x, w, undefined, { pad: [1, 1] } as never);
  const all = { shape: [1, 18, 9, 8], data: ref.y };
  const { y } = maxPool2d(all as never, { x: [], size: [2, 2] });
  const g = gpu();
  const u = g.tensor(winogradFilters(w.data, [18, 5], 4), winogradFilterShape(18, 5, 4));
  const xt = g.tensor(x.data, x.shape);
  const r = Recorder.on(g);
  const value = winogradConv2d(
    r,
    { x: r.value(xt), u },
    { tile: 4, filters: 18, pad: 1, pool: true },
  );
  expect(value.shape).toEqual([1, 18, 4, 4]);
  expect(r.plan([value]).dispatches).toBe(4);
  const [out] = await r.run([value]);
  expect(relativeL2((await g.read([out]))[0], y)).toBeLessThan(2e-5);
  for (const t of [u, xt, out]) t.destroy();
});
