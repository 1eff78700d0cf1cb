/** DeepLIFT's rescale rule on small networks: a float64 restatement, and what the paper promises. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Recorder } from '../../src/gpu/recorder.js';
import { deepLift, deepLiftTaps } from '../../src/net/deep-lift.js';
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
import { type Image, ownNet, toyVgg } from '../support/black-box.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { conv2d } from '../support/reference.js';
import { conv2dBackwardInput } from '../support/reference-conv.js';
import { maxPool2d } from '../support/reference-pool.js';
import { tinyVitNet } from '../support/tiny-vit.js';

useGpu();

const classId = 1;
const sum = (a: ArrayLike<number>) => Array.from(a).reduce((s, v) => s + v, 0);

/** Multipliers at nodes, and the class's logit of the image and of the reference. */
async function multipliersOf(
  net: Net,
  x: Image,
  x0: Image,
  to: readonly string[] = ['input'],
  { taps = true, pooling }: { taps?: boolean; pooling?: 'gradient' } = {},
) {
  const recorder = Recorder.on(net.gpu!);
  const options = { taps: taps ? deepLiftTaps(net.graph) : [], backwardTo: ['input'] };
  const [trace, reference] = [x, x0].map(({ shape, data }) =>
    net.trace(recorder, recorder.constant(data, shape), options),
  );
  const [N] = x.shape;
  const seed = Float32Array.from({ length: N * net.classes }, (_, i) =>
    Number(i % net.classes === classId),
  );
  const dy = recorder.constant(seed, [N, net.classes]);
  const found = trace.backward(net.graph.output, dy, to, deepLift(reference, { pooling }));
  const tensors = await recorder.run([
    trace.output,
    reference.output,
    ...to.map((name) => found.get(name)!),
  ]);
  const [y, y0, ...m] = (await net.gpu!.read(tensors)) as Float32Array[];
  for (const tensor of tensors) tensor.destroy();
  const gain = Array.from({ length: N }, (_, n) => {
    const at = n * net.classes + classId;
    return y[at] - y0[at];
  });
  return { gain, m: Object.fromEntries(to.map((name, i) => [name, m[i]])) };
}

const random2 = (shape: readonly number[], seed: number, scale = 1): Image => ({
  shape,
  data: random(shape, seed).data.map((v) => scale * v),
});

/** How far multipliers times changes may miss what the score gains: rounding of sums of these sizes. */
function expectComplete(m: Float32Array, x: Image, x0: Image, gain: readonly number[]) {
  const size = x.data.length / gain.length;
  gain.forEach((wanted, n) => {
    const parts = Array.from(m.subarray(n * size, (n + 1) * size), (v, i) => {
      return v * (x.data[n * size + i] - x0.data[n * size + i]);
    });
    const scale = Math.max(1, sum(parts.map(Math.abs)));
    expect(Math.abs(wanted)).toBeGreaterThan(1e-3);
    expect(Math.abs(sum(parts) - wanted)).toBeLessThan(3e-6 * scale);
  });
}

test('is its rules in float64: convolutions, ReLU, pooling that overlaps, linear layers', async () => {
  const shapes = {
    'features.0.weight': [4, 3, 3, 3],
    'features.0.bias': [4],
    'hidden.weight': [6, 4 * 4 * 5],
    'hidden.bias': [6],
    'head.weight': [4, 6],
    'head.bias': [4],
  } as const;
  const weights = Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [name, random(shape, 60 + i).data]),
  );
  const net = ownNet(
    await testGpu(),
    (classes) => {
      const g = new Graph();
      const maps = g.sequential('features', 'input', [
        Conv2d(3, 4, 3, { pad: 1 }),
        ReLU,
        MaxPool2d(3, 2),
      ]);
      const hidden = g.add('hidden', [g.add('flat', [maps], Flatten)], Linear(80, 6));
      g.add('head', [g.add('relu', [hidden], ReLU)], Linear(6, classes));
      return g;
    },
    { weights },
  );
  const [x, x0] = [random2([1, 3, 9, 11], 1), random2([1, 3, 9, 11], 2, 0.5)];
  const kernel = { shape: shapes['features.0.weight'], data: weights['features.0.weight'] };
  const bias = { shape: [4], data: weights['features.0.bias'] };
  const nd = (shape: readonly number[], data: ArrayLike<number>) =>
    ({ shape, data }) as unknown as Image;
  const relu = (v: ArrayLike<number>) => Float64Array.from(v, (t) => Math.max(t, 0));
  const rows = (name: 'hidden' | 'head', a: ArrayLike<number>) =>
    Float64Array.from(weights[`${name}.bias`], (b, k) =>
      Array.from(a).reduce((t, v, i) => t + v * weights[`${name}.weight`][k * a.length + i], b),
    );
  const pool = { x: [1, 4, 9, 11], size: [3, 3], stride: [2, 2] } as const;
  const forward = (image: Image) => {
    const z1 = conv2d(image, kernel, bias, { pad: [1, 1] }).y;
    const a1 = relu(z1);
    const pooled = maxPool2d(nd(pool.x, a1), pool);
    const z2 = rows('hidden', pooled.y);
    return { z1, a1, pooled, z2 };
  };
  const [now, before] = [forward(x), forward(x0)];
  const slope = (z: ArrayLike<number>, z0: ArrayLike<number>) =>
    Float64Array.from(z, (v, i) => (Math.max(v, 0) - Math.max(z0[i], 0)) / (v - z0[i]));
  const back = (name: 'hidden' | 'head', dy: ArrayLike<number>, C: number) =>
    Float64Array.from({ length: C }, (_, i) =>
      Array.from(dy).reduce((t, d, k) => t + d * weights[`${name}.weight`][k * C + i], 0),
    );
  const seed = Array.from({ length: 4 }, (_, c) => Number(c === classId));
  const s2 = slope(now.z2, before.z2);
  const hidden = back('head', seed, 6).map((d, i) => d * s2[i]);
  const dPooled = back('hidden', hidden, 80);
  const plane = (j: number) => Math.floor(j / 20) * 99;
  const given = new Float64Array(4 * 99);
  dPooled.forEach((d, j) => {
    const gain = now.pooled.y[j] - before.pooled.y[j];
    const to = gain > 0 ? now.pooled.positions[j] : before.pooled.positions[j];
    given[plane(j) + to] += d * gain;
  });
  const m1 = given.map((v, i) => (v === 0 ? 0 : v / (now.a1[i] - before.a1[i])));
  const s1 = slope(now.z1, before.z1);
  const dz1 = nd(
    [1, 4, 9, 11],
    m1.map((v, i) => v * s1[i]),
  );
  const want = conv2dBackwardInput(dz1, kernel, x.shape, { pad: [1, 1] }).y;

  const { m, gain } = await multipliersOf(net, x, x0, ['input', 'hidden', 'features.1']);
  expect(relativeL2(m.hidden, hidden)).toBeLessThan(1e-5);
  // Where a place stays as it was and no window gives anything to it, it is the gradient: it counts for nothing.
  const changed = Array.from(m1.keys()).filter((i) => now.a1[i] !== before.a1[i]);
  expect(changed.length).toBeGreaterThan(100);
  expect(
    relativeL2(
      changed.map((i) => m['features.1'][i]),
      changed.map((i) => m1[i]),
    ),
  ).toBeLessThan(1e-4);
  expect(relativeL2(m.input, want)).toBeLessThan(1e-4);
  expectComplete(m.input, x, x0, gain);
  // The same where the values that it reads were not announced.
  const late = await multipliersOf(net, x, x0, ['input'], { taps: false });
  expect(relativeL2(late.m.input, m.input)).toBeLessThan(1e-6);
  // With the gradient of max-pooling in its place the sum is missed.
  const plain = await multipliersOf(net, x, x0, ['input'], { pooling: 'gradient' });
  const total = sum(plain.m.input.map((v, i) => v * (x.data[i] - x0.data[i])));
  expect(Math.abs(total - gain[0])).toBeGreaterThan(1e-2);
  net.destroy();
});

describe('multipliers times changes add up to what the score gains', () => {
  const gelu = { kind: 'gelu', options: {} } as const;
  const builds: Readonly<Record<string, (classes: number) => Graph>> = {
    'sums, averages, concatenation, batch norm': (classes) => {
      const g = new Graph();
      const a = g.sequential('a', 'input', [Conv2d(3, 4, 3, { pad: 1 }), BatchNorm2d(4), ReLU]);
      const b = g.sequential('b', 'input', [Conv2d(3, 4, 3, { pad: 1 }), ReLU]);
      const both = g.add('both', [a, b], { kind: 'add', options: {} });
      const pooled = g.add('pooled', [both], MaxPool2d(3, 1, { pad: 1 }));
      const wide = g.add('wide', [pooled, a], { kind: 'concat', options: {} });
      const half = g.add('half', [wide], {
        kind: 'avgPool2d',
        options: { size: [2, 2], stride: [2, 2] },
      });
      const next = g.sequential('next', half, [Conv2d(8, 6, 3), ReLU, AdaptiveAvgPool2d([2, 2])]);
      g.add('head', [g.add('flat', [next], Flatten)], Linear(24, classes));
      return g;
    },
    GELU: (classes) => {
      const g = new Graph();
      const maps = g.sequential('maps', 'input', [
        Conv2d(3, 5, 3, { pad: 1 }),
        gelu,
        Conv2d(5, 5, 3),
        gelu,
        AdaptiveAvgPool2d([3, 3]),
      ]);
      g.add('head', [g.add('flat', [maps], Flatten)], Linear(45, classes));
      return g;
    },
  };
  test.each(Object.keys(builds))('%s', async (name) => {
    const net = ownNet(await testGpu(), builds[name]);
    // Another reference for each image of the batch.
    const [x, x0] = [random2([3, 3, 10, 12], 1, 2), random2([3, 3, 10, 12], 2)];
    const { m, gain } = await multipliersOf(net, x, x0);
    expectComplete(m.input, x, x0, gain);
    net.destroy();
  });

  test.each(['toy_vgg', 'toy_alexnet'])('%s', async (name) => {
    const file = new URL(`../../models/${name}.safetensors`, import.meta.url);
    const net = Net.load(await testGpu(), undefined, readFileSync(file));
    const [x, x0] = [random2([2, 3, 64, 64], 1, 2), random2([2, 3, 64, 64], 2, 0)];
    const { m, gain } = await multipliersOf(net, x, x0);
    expectComplete(m.input, x, x0, gain);
    net.destroy();
  });
});

test.each(['toy_vgg', 'a transformer'])('are the gradient at the reference: %s', async (name) => {
  const net = name === 'toy_vgg' ? toyVgg(await testGpu()) : tinyVitNet(await testGpu());
  const x = random2([1, 3, 32, 32], 3);
  const { m } = await multipliersOf(net, x, x);
  const recorder = Recorder.on(net.gpu!);
  const trace = net.trace(recorder, recorder.constant(x.data, x.shape));
  const seed = Float32Array.from({ length: net.classes }, (_, c) => Number(c === classId));
  const dy = recorder.constant(seed, [1, net.classes]);
  const gradient = trace.backward(net.graph.output, dy, ['input']).get('input')!;
  const [tensor] = await recorder.run([gradient]);
  expect(relativeL2(m.input, await tensor.read())).toBeLessThan(1e-5);
  tensor.destroy();
  net.destroy();
});

test('of a linear network are its gradient, whatever the reference', async () => {
  const net = ownNet(await testGpu(), (classes) => {
    const g = new Graph();
    const maps = g.sequential('maps', 'input', [
      Conv2d(3, 4, 3, { pad: 1 }),
      BatchNorm2d(4),
      AdaptiveAvgPool2d([2, 2]),
    ]);
    g.add('head', [g.add('flat', [maps], Flatten)], Linear(16, classes));
    return g;
  });
  const shape = [1, 3, 6, 8];
  const recorder = Recorder.on(net.gpu!);
  const trace = net.trace(recorder, recorder.constant(random(shape, 1).data, shape));
  const dy = recorder.constant(Float32Array.of(0, 1, 0, 0), [1, 4]);
  const [tensor] = await recorder.run([trace.backward('head', dy, ['input']).get('input')!]);
  const gradient = await tensor.read();
  tensor.destroy();
  for (const seed of [5, 6]) {
    const { m } = await multipliersOf(net, random2(shape, 1), random2(shape, seed));
    expect(relativeL2(m.input, gradient)).toBe(0);
  }
  net.destroy();
});
