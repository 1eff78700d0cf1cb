/** Backpropagation under its rule sets, and the methods made of it: float64 restatements on small networks, and the papers' properties. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../src/cam/explain.js';
import { lrpBy } from '../../src/cam/lrp.js';
import type { Method, OptionValues } from '../../src/cam/method.js';
import { classTarget } from '../../src/cam/target.js';
import { LayerError } from '../../src/errors.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { addNoise, noiseOf } from '../../src/kernels/add-noise.js';
import { Graph } from '../../src/net/graph.js';
import { epsilonRule, relevanceOfTheRest } from '../../src/net/lrp.js';
import { Conv2d, Flatten, Linear, MaxPool2d, ReLU } from '../../src/net/modules.js';
import type { Net } from '../../src/net/net.js';
import { derivative, kind, type RuleSet } from '../../src/net/rules.js';
import {
  explained,
  type Image,
  logitsOf,
  ownNet,
  smallLayer,
  smallNet,
} from '../support/black-box.js';
import { runKernel, testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { conv2d } from '../support/reference.js';
import { enlarge } from '../support/reference-cams.js';
import { conv2dBackwardInput } from '../support/reference-conv.js';
import { maxPool2d, maxPool2dBackward } from '../support/reference-pool.js';

const { gpu } = useGpu();
const [H, W] = [16, 20];
const x = random([1, 3, H, W], 5);
const two = random([2, 3, H, W], 6);
const classId = 2;
let net: Net;

beforeAll(async () => {
  net = smallNet(await testGpu());
});
afterAll(() => net.destroy());

const rawOf = async (method: string, options: OptionValues = {}, image: Image = x, of = net) =>
  (await explained(of, image, { method, options, target: classTarget(classId), layer: smallLayer }))
    .raw;

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

/** What a ReLU passes back of `dy`, where its input is `v`. */
type ReluRule = (dy: number, v: number) => number;
const reluRules: Readonly<Record<string, ReluRule>> = {
  gradient: (dy, v) => (v > 0 ? dy : 0),
  'guided-backprop': (dy, v) => (v > 0 && dy > 0 ? dy : 0),
  deconvnet: (dy) => (dy > 0 ? dy : 0),
};

describe('rules on a network of convolutions, pooling and two linear layers', () => {
  const shapes = {
    'features.0.weight': [4, 3, 3, 3],
    'features.0.bias': [4],
    'features.3.weight': [5, 4, 3, 3],
    'features.3.bias': [5],
    'hidden.weight': [7, 5 * 7 * 9],
    'hidden.bias': [7],
    'head.weight': [4, 7],
    'head.bias': [4],
  };
  const build = (classes: number) => {
    const g = new Graph();
    const maps = g.sequential('features', 'input', [
      Conv2d(3, 4, 3),
      ReLU,
      MaxPool2d(2, 1),
      Conv2d(4, 5, 3, { pad: 1, stride: 2 }),
      ReLU,
    ]);
    const hidden = g.add('hidden', [g.add('flat', [maps], Flatten)], Linear(5 * 7 * 9, 7));
    g.add('head', [g.add('relu', [hidden], ReLU)], Linear(7, classes));
    return g;
  };
  const netOf = async (of: (v: number) => number) => {
    const weights = Object.fromEntries(
      Object.entries(shapes).map(([name, shape], i) => {
        return [name, random(shape, 20 + i).data.map((v) => Math.fround(of(v)))];
      }),
    );
    return { own: ownNet(await testGpu(), build, { weights }), weights };
  };

  /** Forward and backward in float64. */
  function reference(weights: Record<string, Float32Array>, rule: ReluRule): Float64Array {
    const param = (name: keyof typeof shapes) => ({ shape: shapes[name], data: weights[name] });
    const nd = (shape: readonly number[], data: ArrayLike<number>) =>
      ({ shape, data }) as unknown as Image;
    const relu = (v: Float64Array) => v.map((t) => Math.max(t, 0));
    const [w1, w2] = [param('features.0.weight'), param('features.3.weight')];
    const z1 = conv2d(x, w1, param('features.0.bias'), {}).y;
    const pool = { x: [1, 4, 14, 18], size: [2, 2], stride: [1, 1] } as const;
    const pooled = maxPool2d(nd(pool.x, relu(z1)), pool);
    const c2 = { pad: [1, 1], stride: [2, 2] } as const;
    const z2 = conv2d(nd(pooled.shape, pooled.y), w2, param('features.3.bias'), c2).y;
    const a2 = relu(z2);
    const rows = (name: 'hidden' | 'head', a: Float64Array) =>
      Float64Array.from(weights[`${name}.bias`], (b, k) =>
        a.reduce((total, v, i) => total + v * weights[`${name}.weight`][k * a.length + i], b),
      );
    const z3 = rows('hidden', a2);

    const back = (name: 'hidden' | 'head', dy: Float64Array, C: number) =>
      Float64Array.from({ length: C }, (_, i) =>
        dy.reduce((total, d, k) => total + d * weights[`${name}.weight`][k * C + i], 0),
      );
    const through = (dy: Float64Array, z: Float64Array) => dy.map((d, i) => rule(d, z[i]));
    const seed = Float64Array.from({ length: 4 }, (_, c) => Number(c === classId));
    const d3 = through(back('head', seed, 7), z3);
    const d2 = through(back('hidden', d3, a2.length), z2);
    const dPooled = conv2dBackwardInput(nd([1, 5, 7, 9], d2), w2, pooled.shape, c2).y;
    const positions = nd(pooled.shape, pooled.positions);
    const unpooled = maxPool2dBackward(nd(pooled.shape, dPooled), positions, [14, 18]).y;
    return conv2dBackwardInput(nd([1, 4, 14, 18], through(unpooled, z1)), w1, x.shape, {}).y;
  }

  test.each(Object.keys(reluRules))('%s is its rule in float64', async (method) => {
    const { own, weights } = await netOf((v) => v);
    const want = reference(weights, reluRules[method]);
    expect(want.some((v) => v !== 0)).toBe(true);
    const { raw } = await explained(own, x, { method, target: classTarget(classId) });
    expect(relativeL2(raw, want)).toBeLessThan(1e-5);
    own.destroy();
  });

  test('where all is positive, guided backpropagation and the deconvnet are the gradient', async () => {
    const { own } = await netOf((v) => Math.abs(v) + 0.01);
    const positive = { shape: x.shape, data: x.data.map((v) => Math.abs(v)) };
    const of = async (method: string) =>
      (await explained(own, positive, { method, target: classTarget(classId) })).raw;
    const gradient = await of('gradient');
    expect(relativeL2(await of('guided-backprop'), gradient)).toBe(0);
    expect(relativeL2(await of('deconvnet'), gradient)).toBe(0);
    own.destroy();
  });

  test('a node that no row matches is an error with its name', () => {
    const recorder = Recorder.on(gpu());
    const trace = net.trace(recorder, recorder.constant(x.data, x.shape));
    const dy = recorder.constant(new Float32Array(net.classes), [1, net.classes]);
    const rules = [[kind('linear', 'flatten', 'adaptiveAvgPool2d'), derivative]] as const;
    const back = () => trace.backward('head', dy, ['input'], rules);
    expect(back).toThrow(LayerError);
    expect(back).toThrow(/no rule for features.5 \(maxPool2d\)/);
  });
});

test('gradient x input is the product, with its sign', async () => {
  const gradient = await rawOf('gradient');
  const product = await rawOf('gradient-x-input');
  expect(
    relativeL2(
      product,
      gradient.map((g, i) => g * x.data[i]),
    ),
  ).toBeLessThan(1e-6);
  expect(product.some((v) => v < 0) && product.some((v) => v > 0)).toBe(true);
});

test('guided Grad-CAM is guided backpropagation under the enlarged, rectified Grad-CAM, in every channel', async () => {
  const target = classTarget(classId);
  const result = await explained(net, x, { method: 'grad-cam', layer: smallLayer, target });
  const [h, w] = net
    .layers([H, W])
    .find(({ name }) => name === smallLayer)!
    .shape.slice(2);
  const cam = result.raw.map((v) => Math.max(v, 0));
  expect(cam.some((v) => v > 0)).toBe(true);
  const up = enlarge(cam, [h, w], [H, W]);
  const guided = await rawOf('guided-backprop');
  const both = await rawOf('guided-grad-cam');
  expect(
    relativeL2(
      both,
      guided.map((g, i) => g * up[i % (H * W)]),
    ),
  ).toBeLessThan(1e-5);
});

describe('gradients of noisy copies', () => {
  test('without noise SmoothGrad is the gradient, and VarGrad nothing', async () => {
    const quiet = { copies: 3, sigma: 0 };
    expect(relativeL2(await rawOf('smoothgrad', quiet), await rawOf('gradient'))).toBeLessThan(
      1e-6,
    );
    expect((await rawOf('vargrad', quiet)).every((v) => v === 0)).toBe(true);
  });

  test('are averaged, and their population variance taken, for the class of the image without noise', async () => {
    const options = { copies: 3, sigma: 0.4, seed: 'some' };
    const gradients: Float32Array[] = [];
    for (let copy = 0; copy < 3; copy++) {
      const noise = { shape: [2], data: noiseOf(`some:${copy}`, 0.4) };
      const { y } = await runKernel(gpu(), addNoise, { x, noise });
      gradients.push(await rawOf('gradient', {}, { shape: x.shape, data: y as Float32Array }));
    }
    const mean = gradients[0].map((_, i) => sum(gradients.map((g) => g[i])) / 3);
    const variance = mean.map((m, i) => sum(gradients.map((g) => (g[i] - m) ** 2)) / 3);
    expect(relativeL2(gradients[0], mean)).toBeGreaterThan(1e-2);
    expect(relativeL2(await rawOf('smoothgrad', options), mean)).toBeLessThan(1e-5);
    expect(relativeL2(await rawOf('vargrad', options), variance)).toBeLessThan(1e-4);
  });
});

describe('integrated gradients', () => {
  const method = 'integrated-gradients';
  const scoreOf = async (image: Image) => (await logitsOf(net, image))[0][classId];
  const { mean, std } = { mean: 0.5, std: 0.25 }; // of the test network

  /** Raw map and what the summary says of each image. */
  async function run(image: Image, options: OptionValues, target = classTarget(classId)) {
    const input = gpu().tensor(image.data, image.shape);
    const result = await explain(net, input, { method, options, target });
    const raw = (await result.raw.read()) as Float32Array;
    const summaries = await result.summaries();
    result.destroy();
    input.destroy();
    return { raw, deltas: summaries.map((s) => s.numbers.convergenceDelta) };
  }

  const baselines = {
    mean: new Float32Array(x.data.length),
    black: new Float32Array(x.data.length).fill(-mean / std),
  };

  test.each(['mean', 'black'] as const)(
    'from %s add up to what the score gains',
    async (baseline) => {
      const start = await scoreOf({ shape: x.shape, data: baselines[baseline] });
      const gain = (await scoreOf(x)) - start;
      const { raw, deltas } = await run(x, { baseline, steps: 200, rule: 'middle' });
      expect(Math.abs(gain)).toBeGreaterThan(1e-2);
      expect(Math.abs(sum(raw) - gain)).toBeLessThan(0.02 * Math.abs(gain));
      expect(Math.abs(deltas[0] - (sum(raw) - gain))).toBeLessThan(1e-4);
      // Few steps miss more, and say so.
      const coarse = await run(x, { baseline, steps: 2 });
      expect(Math.abs(coarse.deltas[0])).toBeGreaterThan(5 * Math.abs(deltas[0]));
      expect(Math.abs(coarse.deltas[0] - (sum(coarse.raw) - gain))).toBeLessThan(1e-4);
    },
  );

  test.each(['right', 'middle'] as const)(
    'are mean gradients along the path times the way: %s',
    async (rule) => {
      const steps = 5;
      const want = new Float64Array(x.data.length);
      for (let t = 1; t <= steps; t++) {
        const at = (t - (rule === 'right' ? 0 : 0.5)) / steps;
        const point = x.data.map((v) => -2 + at * (v + 2));
        const g = await rawOf('gradient', {}, { shape: x.shape, data: point });
        for (const i of want.keys()) want[i] += ((x.data[i] + 2) * g[i]) / steps;
      }
      const { raw } = await run(x, { steps, rule, baseline: 'black' });
      expect(relativeL2(raw, want)).toBeLessThan(1e-5);
    },
  );

  test('do not depend on how many points are looked at at once', async () => {
    const all = await run(two, { steps: 7, batch: 7 });
    for (const batch of [1, 3]) {
      const parts = await run(two, { steps: 7, batch });
      expect(relativeL2(parts.raw, all.raw)).toBeLessThan(1e-5);
      expect(parts.deltas[1]).toBeCloseTo(all.deltas[1], 4);
    }
    expect(all.deltas.length).toBe(2);
  });

  test('of a blurred baseline vanish where the blur changes nothing', async () => {
    const flat = { shape: x.shape, data: new Float32Array(x.data.length).fill(0.7) };
    const still = await run(flat, { baseline: 'blur', steps: 2 });
    expect(Math.max(...still.raw.map(Math.abs))).toBeLessThan(1e-5);
    const options = { baseline: 'blur', blur: 5, sigma: 2, steps: 4 };
    expect(Math.max(...(await run(x, options)).raw.map(Math.abs))).toBeGreaterThan(1e-4);
  });
});

test('other methods report no numbers, and wrapped ones none of their copies', async () => {
  const input = gpu().tensor(x.data, x.shape);
  for (const method of ['gradient', 'smooth-integrated-gradients']) {
    const options = method === 'gradient' ? {} : { samples: 2, steps: 2 };
    const result = await explain(net, input, { method, options, target: classTarget(classId) });
    expect((await result.summaries())[0].numbers).toEqual({});
    result.destroy();
  }
  input.destroy();
});

describe("LRP by a user's own table", () => {
  const mapOf = async (method: Method | string, options?: OptionValues) => {
    const input = gpu().tensor(x.data, x.shape);
    const result = await explain(net, input, { method, options, target: classTarget(classId) });
    const raw = await result.raw.read();
    result.destroy();
    input.destroy();
    return raw;
  };

  test('the rows of a composite give what the composite does', async () => {
    const rules: RuleSet = [[kind('conv2d', 'linear'), epsilonRule(0.01)], ...relevanceOfTheRest];
    const own = await mapOf(lrpBy(rules));
    expect(own).toEqual(await mapOf('lrp', { composite: 'epsilon', epsilon: 0.01 }));
  });

  test('a node that no row matches is named', async () => {
    const rules: RuleSet = [[kind('linear'), epsilonRule()], ...relevanceOfTheRest];
    await expect(mapOf(lrpBy(rules))).rejects.toThrow(/backward: no rule for \S+ \(conv2d\)/);
  });
});
