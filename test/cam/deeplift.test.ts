import { afterAll, beforeAll, expect, test } from 'vitest';
import { explain } from '../../src/cam/explain.js';
import { fuse } from '../../src/cam/fuse.js';
import type { OptionValues } from '../../src/cam/method.js';
import { methodNamed } from '../../src/cam/registry.js';
import { classTarget } from '../../src/cam/target.js';
import { blurColumns, blurRows, gaussianWeights } from '../../src/kernels/gaussian-blur.js';
import type { Net } from '../../src/net/net.js';
import { explained, type Image, logitsOf, smallNet } from '../support/black-box.js';
import { runKernel, testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';

const { gpu } = useGpu();
const [H, W] = [16, 20];
const x = random([1, 3, H, W], 5);
const classId = 2;
const target = classTarget(classId);
const method = 'deeplift';
let net: Net;

beforeAll(async () => {
  net = smallNet(await testGpu());
});
afterAll(() => net.destroy());

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);
const scoreOf = async (image: Image) => (await logitsOf(net, image))[0][classId];

async function run(image: Image, options: OptionValues = {}) {
  const input = gpu().tensor(image.data, image.shape);
  const result = await explain(net, input, { method, options, target });
  const raw = await result.raw.read();
  const summaries = await result.summaries();
  result.destroy();
  input.destroy();
  return { raw, deltas: summaries.map((s) => s.numbers.convergenceDelta) };
}

const { mean, std } = { mean: 0.5, std: 0.25 }; // of the test network
const blur = { blur: 5, sigma: 2 };
const baselines: Record<string, () => Promise<Float32Array>> = {
  mean: async () => new Float32Array(x.data.length),
  black: async () => new Float32Array(x.data.length).fill(-mean / std),
  blur: async () => {
    const w = { shape: [blur.blur], data: gaussianWeights(blur.blur, blur.sigma) };
    const rows = (await runKernel(gpu(), blurRows, { x, w })).y;
    const { y } = await runKernel(gpu(), blurColumns, { x: { shape: x.shape, data: rows }, w });
    return y as Float32Array;
  },
};

test.each(Object.keys(baselines))('from %s adds up to what the score gains', async (baseline) => {
  const start = await scoreOf({ shape: x.shape, data: await baselines[baseline]() });
  const gain = (await scoreOf(x)) - start;
  const { raw, deltas } = await run(x, { baseline, ...blur });
  expect(Math.abs(gain)).toBeGreaterThan(1e-2);
  expect(Math.abs(sum(raw) - gain)).toBeLessThan(1e-5 * Math.max(1, sum(raw.map(Math.abs))));
  expect(Math.abs(deltas[0])).toBeLessThan(1e-5);
  // The gradient in place of max-pooling's rule misses it, and says by how much.
  const plain = await run(x, { baseline, ...blur, pooling: 'gradient' });
  expect(plain.deltas[0]).toBeCloseTo(sum(plain.raw) - gain, 4);
  expect(Math.abs(plain.deltas[0])).toBeGreaterThan(1e-3);
});

test('an image that is its baseline gets nothing', async () => {
  const { raw } = await run({ shape: x.shape, data: new Float32Array(x.data.length) });
  expect(raw.every((v) => v === 0)).toBe(true);
});

test('the images of a batch do not know each other', async () => {
  const two = random([2, 3, H, W], 6);
  const all = await run(two, { baseline: 'black' });
  const size = 3 * H * W;
  for (const n of [0, 1]) {
    const one = { shape: x.shape, data: two.data.slice(n * size, (n + 1) * size) };
    const alone = await run(one, { baseline: 'black' });
    expect(relativeL2(all.raw.subarray(n * size, (n + 1) * size), alone.raw)).toBeLessThan(1e-6);
    expect(all.deltas[n]).toBeCloseTo(alone.deltas[0], 5);
  }
});

test('is the same within a fusion, and is not the gradient', async () => {
  const of = async (m: Parameters<typeof explained>[2]['method']) =>
    explained(net, x, { method: m, target });
  const plain = await of(method);
  const fused = await of(fuse('alone', [{ method: methodNamed(method) }]));
  expect(relativeL2(fused.map, plain.map)).toBeLessThan(1e-6);
  expect(relativeL2((await of('gradient-x-input')).raw, plain.raw)).toBeGreaterThan(1e-2);
});
