import { expect, test } from 'vitest';
import { planExplain } from '../../src/cam/explain.js';
import { type Caps, coreCaps } from '../../src/gpu/caps.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import { type Architecture, imagenetPreprocessing } from '../../src/net/architecture.js';
import { Graph } from '../../src/net/graph.js';
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from '../../src/net/modules.js';
import { Net } from '../../src/net/net.js';
import { useGpu } from '../support/gpu.js';
import { hashWeights } from '../support/hash-weights.js';
import { random, relativeL2 } from '../support/numbers.js';
import { gpuCaps, roomyCaps } from '../support/with-caps.js';

// What a trace records for GPUs, run here on whatever adapter there is: every kernel runs on all.
const { gpu } = useGpu();
const onGpu = (): Caps => gpuCaps(gpu().caps);

/** Poolings behind batch norm, behind a ReLU and behind a convolution, of odd sizes; then two that no convolution does. */
const pools: Architecture = {
  name: 'pools',
  paper: '',
  classes: 4,
  head: 'fc',
  defaultLayer: 'features.4',
  preprocessing: imagenetPreprocessing,
  minInput: 30,
  build: (classes) => {
    const g = new Graph();
    const maps = g.sequential('features', 'input', [
      Conv2d(3, 6, 3, { pad: 1, bias: false }),
      BatchNorm2d(6),
      ReLU,
      MaxPool2d(2, 2),
      Conv2d(6, 9, 3, { pad: 1 }),
      ReLU,
      MaxPool2d(2, 2),
      Conv2d(9, 5, 1),
      MaxPool2d(2, 2),
      Conv2d(5, 5, 1),
      MaxPool2d(2, 2, { ceilMode: true }),
      MaxPool2d(2, 1),
    ]);
    const pooled = g.add('avgpool', [maps], AdaptiveAvgPool2d([1, 1]));
    g.add('fc', [g.add('flatten', [pooled], Flatten)], Linear(5, classes));
    return g;
  },
};
const x = random([2, 3, 47, 41], 7);

/** Values that a trace gives, with its dispatches, in the order they were asked for. */
async function traced(
  caps: Caps,
  ask: (trace: ReturnType<Net['trace']>, r: Recorder) => ReturnType<Recorder['blank']>[],
  options: object = {},
) {
  const net = Net.from(gpu(), pools, hashWeights(pools.build(4), 3));
  const r = new Recorder(caps, gpu());
  const outputs = ask(net.trace(r, r.constant(x.data, x.shape), options), r);
  const { dispatches } = r.plan(outputs);
  const tensors = await r.run(outputs);
  const data = (await gpu().read(tensors)) as Float32Array[];
  for (const t of tensors) t.destroy();
  net.destroy();
  return { dispatches, data };
}

test('a convolution pools for itself where nobody else reads what it would write', async () => {
  const plain = await traced(gpu().caps, (t) => [t.output]);
  const pooled = await traced(onGpu(), (t) => [t.output]);
  expect(relativeL2(pooled.data[0], plain.data[0])).toBeLessThan(1e-5);
  if (gpu().caps.kind === 'software') expect(plain.dispatches).toBe(11);
  expect(pooled.dispatches).toBe(8); // four convolutions, two pools, the mean and the linear layer
});

test('what is tapped before a pool is written, and the pool reads it', async () => {
  const ask = (t: ReturnType<Net['trace']>) => [t.output, t.value('features.5')];
  const options = { taps: ['features.5'] };
  const plain = await traced(gpu().caps, ask, options);
  const pooled = await traced(onGpu(), ask, options);
  expect(pooled.dispatches).toBe(9);
  pooled.data.forEach((data, i) => {
    expect(relativeL2(data, plain.data[i])).toBeLessThan(1e-5);
  });
});

test('a backward pass has its positions: announced, poolings before it stay merged; not announced, values are made when asked for', async () => {
  const back = (t: ReturnType<Net['trace']>, r: Recorder) => [
    t.backward('fc', r.constant(random([2, 4], 8).data, [2, 4]), ['features.5']).get('features.5')!,
  ];
  const backwardTo = ['features.5'];
  const plain = await traced(gpu().caps, back, { backwardTo });
  const announced = await traced(onGpu(), back, { backwardTo });
  const late = await traced(onGpu(), (t, r) => [t.output, ...back(t, r)].slice(1));
  expect(relativeL2(announced.data[0], plain.data[0])).toBeLessThan(1e-5);
  expect(relativeL2(late.data[0], plain.data[0])).toBeLessThan(1e-5);
  const r = new Recorder(onGpu());
  const trace = Net.describe(pools).trace(r, placeholder(x.shape), { backwardTo });
  const parts = r.plan([trace.output]).steps.map(({ part }) => part);
  expect(parts).toContain('features.0 + features.1 + features.2 + features.3');
  expect(parts).toContain('features.4 + features.5');
  expect(parts).toContain('features.6');
});

test('a forward pass that starts at what a pool reads begins with the pool', () => {
  const r = new Recorder(coreCaps);
  const net = Net.describe(pools);
  const trace = net.traceFrom(r, { 'features.5': placeholder([1, 9, 23, 20]) });
  expect(r.plan([trace.output]).steps.map(({ part }) => part)).toEqual([
    'features.6',
    'features.7 + features.8',
    'features.9',
    'features.10',
    'features.11',
    'avgpool',
    'fc',
  ]);
});

test('a convolution that masks its input leaves the pooling to the next dispatch', () => {
  const net = Net.describe('toy_vgg');
  const plan = planExplain(net, placeholder([1, 3, 112, 112]), {
    method: 'score-cam',
    options: { batch: 32 },
  });
  const masked = plan.steps.findIndex(({ kernel }) => kernel === 'maskedConv2d');
  expect(plan.steps[masked + 1].kernel).toBe('maxPool2dValues');
  expect(plan.steps[masked + 2].sizes.POOL).toBe(1);
});

test("VGG-16: pooling within convolutions saves five dispatches and the five largest maps' way to memory and back", () => {
  const features = [3, 8, 15, 22, 29].map((i) => `features.${i}`);
  const net = Net.describe('vgg16');
  for (const batch of [1, 8]) {
    const merged = net.plan(batch, { caps: roomyCaps });
    const apart = net.plan(batch, { caps: roomyCaps, taps: features });
    expect(apart.dispatches - merged.dispatches).toBe(5);
    const maps = [64 * 224 ** 2, 128 * 112 ** 2, 256 * 56 ** 2, 512 * 28 ** 2, 512 * 14 ** 2];
    expect(apart.bytes - merged.bytes).toBe(batch * 2 * 4 * maps.reduce((a, b) => a + b));
  }
  // The same with batch norm, which is merged, too.
  expect(Net.describe('vgg16_bn').plan(1, { caps: roomyCaps }).dispatches).toBe(16);
});

test("VGG-16's 3 x 3 layers that go by Winograd's tiles hold filters instead of weights, forward and turned", () => {
  const net = Net.describe('vgg16');
  let weights = 0;
  for (const shape of net.graph.params.values()) weights += 4 * shape.reduce((a, b) => a * b, 1);
  const plan = net.plan(1, { caps: roomyCaps });
  const byTiles = plan.steps.filter((s) => s.kernel === 'winogradFused');
  expect(byTiles).toHaveLength(9);
  const more = byTiles.reduce((sum, { sizes: { C, K } }) => sum + 4 * (16 - 9) * C * K, 0);
  expect(plan.inputBytes).toBe(weights + more + 4 * 3 * 224 * 224);
  const back = net.plan(1, { caps: roomyCaps, backwardTo: ['features.1'] });
  const turned = back.steps.filter(
    ({ kernel, part }) => kernel === 'winogradFused' && part?.endsWith('backward'),
  );
  expect(turned.length).toBeGreaterThan(3);
});
