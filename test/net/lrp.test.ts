/** Relevance rules against dense matrices in float64, written from the papers' formulas: every contribution x w by itself. */
import { expect, test } from 'vitest';
import { Recorder } from '../../src/gpu/recorder.js';
import { Graph } from '../../src/net/graph.js';
import { type Composite, composites, relevanceRules } from '../../src/net/lrp.js';
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from '../../src/net/modules.js';
import type { Net } from '../../src/net/net.js';
import { kind, type RuleSet } from '../../src/net/rules.js';
import { minus, plus, sharing } from '../../src/net/sharing.js';
import { transformerRules } from '../../src/net/transformer-rules.js';
import { type Image, ownNet } from '../support/black-box.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { conv2d } from '../support/reference.js';
import { maxPool2d } from '../support/reference-pool.js';

useGpu();

const x = random([1, 3, 8, 8], 3);
const [low, high] = [
  [-1, -1.25, -1.5],
  [1, 1.25, 1.5],
];
const gamma = 0.4;
const classId = 1;

/** Relevance at nodes, and their values, of a seed of 1 at the class. */
async function relevanceOf(
  net: Net,
  composite: Composite,
  to: readonly string[],
  image: Image = x,
) {
  const recorder = Recorder.on(net.gpu!);
  const trace = net.trace(recorder, recorder.constant(image.data, image.shape));
  const seed = recorder.constant(
    Float32Array.from({ length: net.classes }, (_, c) => Number(c === classId)),
    [1, net.classes],
  );
  const rules = relevanceRules(composite, { gamma, low, high });
  const found = trace.backward(net.graph.output, seed, to, rules);
  const tensors = await recorder.run(to.map((name) => found.get(name)!));
  const values = (await net.gpu!.read(tensors)) as Float32Array[];
  for (const tensor of tensors) tensor.destroy();
  return Object.fromEntries(to.map((name, i) => [name, values[i]]));
}

const shapes: Readonly<Record<string, readonly number[]>> = {
  'features.0.weight': [4, 3, 3, 3],
  'features.0.bias': [4],
  'features.3.weight': [5, 4, 3, 3],
  'features.3.bias': [5],
  'hidden.weight': [6, 20],
  'hidden.bias': [6],
  'head.weight': [4, 6],
  'head.bias': [4],
};
const weights = Object.fromEntries(
  Object.entries(shapes).map(([name, shape], i) => [name, random(shape, 40 + i).data]),
);
const withoutBias = Object.fromEntries(
  Object.entries(weights).map(([name, w]) => [name, name.endsWith('bias') ? w.map(() => 0) : w]),
);
const build = (classes: number) => {
  const g = new Graph();
  const maps = g.sequential('features', 'input', [
    Conv2d(3, 4, 3, { pad: 1 }),
    ReLU,
    MaxPool2d(2, 2),
    Conv2d(4, 5, 3),
    ReLU,
  ]);
  const hidden = g.add('hidden', [g.add('flat', [maps], Flatten)], Linear(20, 6));
  g.add('head', [g.add('relu', [hidden], ReLU)], Linear(6, classes));
  return g;
};

/** A layer as a matrix: w[k][i] the weight from input i to result k, and whether there is one. */
interface Dense {
  readonly w: number[][];
  readonly linked: boolean[][];
  readonly b: number[];
}

function denseConv(name: string, from: readonly number[], pad: number, of = weights): Dense {
  const size = from.reduce((a, b) => a * b);
  const kernel = { shape: shapes[`${name}.weight`], data: of[`${name}.weight`] };
  const ones = { shape: kernel.shape, data: kernel.data.map(() => 1) };
  const columns = (w: typeof kernel) =>
    Array.from({ length: size }, (_, i) => {
      const unit = Float32Array.from({ length: size }, (_, j) => Number(i === j));
      return conv2d({ shape: [1, ...from], data: unit }, w, undefined, { pad: [pad, pad] }).y;
    });
  const [w, links] = [columns(kernel), columns(ones)];
  const results = w[0].length;
  const bias = of[`${name}.bias`];
  const rows = Array.from({ length: results }, (_, k) => k);
  return {
    w: rows.map((k) => w.map((column) => column[k])),
    linked: rows.map((k) => links.map((column) => column[k] !== 0)),
    b: rows.map((k) => bias[Math.floor((k * bias.length) / results)]),
  };
}

function denseLinear(name: string): Dense {
  const [K, C] = shapes[`${name}.weight`];
  const row = (k: number) => Array.from(weights[`${name}.weight`].subarray(k * C, (k + 1) * C));
  return {
    w: Array.from({ length: K }, (_, k) => row(k)),
    linked: Array.from({ length: K }, () => Array.from({ length: C }, () => true)),
    b: Array.from(weights[`${name}.bias`]),
  };
}

const apply = ({ w, b }: Dense, a: readonly number[]) =>
  w.map((row, k) => row.reduce((sum, v, i) => sum + v * a[i], b[k]));
const pos = (v: number) => Math.max(v, 0);
const neg = (v: number) => Math.min(v, 0);
const sum = (a: ArrayLike<number>) => Array.from(a).reduce((s, v) => s + v, 0);

/** The share of each input in result k: from the contributions c = x w, the bias b and the result z. */
type DenseRule = (at: {
  c: number[];
  w: number[];
  b: number;
  z: number;
  linked: boolean[];
}) => number[];
const over = (parts: number[], b: number) => {
  const whole = sum(parts) + b;
  return parts.map((p) => p / (whole + (whole < 0 ? -1e-6 : 1e-6)));
};
const epsilon: DenseRule = ({ c, b }) => over(c, b);
const zPlus: DenseRule = ({ c, b }) => over(c.map(pos), pos(b));
const against: DenseRule = ({ c, b }) => over(c.map(neg), neg(b));
const alphaBeta: DenseRule = (at) => {
  const minus = against(at);
  return zPlus(at).map((p, i) => 2 * p - minus[i]);
};
const gammaRule: DenseRule = ({ c, b, z }) => {
  const part = z > 0 ? pos : neg;
  return over(
    c.map((v) => v + gamma * part(v)),
    b + gamma * part(b),
  );
};
const flat: DenseRule = ({ linked }) => over(linked.map(Number), 0);
const wSquare: DenseRule = ({ w, b }) =>
  over(
    w.map((v) => v * v),
    b * b,
  );
const box: DenseRule = ({ c, w }) =>
  over(
    c.map((v, i) => {
      const channel = Math.floor(i / 64);
      return v - low[channel] * pos(w[i]) - high[channel] * neg(w[i]);
    }),
    0,
  );

/** Rules of the first convolution, the second, and the linear layers. */
const tables: Readonly<Record<Composite, readonly [DenseRule, DenseRule, DenseRule]>> = {
  'epsilon-plus-flat': [flat, zPlus, epsilon],
  'epsilon-gamma-box': [box, gammaRule, epsilon],
  'epsilon-alpha2-beta1': [alphaBeta, alphaBeta, epsilon],
  'epsilon-plus': [zPlus, zPlus, epsilon],
  epsilon: [epsilon, epsilon, epsilon],
  'z-plus': [zPlus, zPlus, zPlus],
  'alpha2-beta1': [alphaBeta, alphaBeta, alphaBeta],
  gamma: [gammaRule, gammaRule, gammaRule],
  flat: [flat, flat, flat],
  'w-square': [wSquare, wSquare, wSquare],
};

function back(layer: Dense, a: readonly number[], r: readonly number[], rule: DenseRule): number[] {
  const z = apply(layer, a);
  const relevance = a.map(() => 0);
  layer.w.forEach((w, k) => {
    const at = { c: w.map((v, i) => v * a[i]), w, b: layer.b[k], z: z[k], linked: layer.linked[k] };
    rule(at).forEach((share, i) => {
      relevance[i] += share * r[k];
    });
  });
  return relevance;
}

test.each([...composites])('%s is its rules on dense matrices in float64', async (composite) => {
  const [first, second, dense] = tables[composite];
  const layers = {
    one: denseConv('features.0', [3, 8, 8], 1),
    two: denseConv('features.3', [4, 4, 4], 0),
    hidden: denseLinear('hidden'),
    head: denseLinear('head'),
  };
  const a0 = Array.from(x.data);
  const a1 = apply(layers.one, a0).map(pos);
  const maps = { shape: [1, 4, 8, 8], data: a1 } as unknown as Image;
  const pooled = maxPool2d(maps, { x: maps.shape, size: [2, 2], stride: [2, 2] });
  const a2 = apply(layers.two, pooled.y).map(pos);
  const a3 = apply(layers.hidden, a2).map(pos);
  const seed = Array.from({ length: 4 }, (_, c) => Number(c === classId));
  const r3 = back(layers.head, a3, seed, dense);
  const r2 = back(layers.hidden, a2, r3, dense);
  const rPooled = back(layers.two, pooled.y, r2, second);
  const r1 = a1.map(() => 0);
  rPooled.forEach((r, i) => {
    r1[Math.floor(i / 16) * 64 + pooled.positions[i]] += r;
  });
  const r0 = back(layers.one, a0, r1, first);

  const net = ownNet(await testGpu(), build, { weights });
  const got = await relevanceOf(net, composite, ['input', 'features.1', 'features.4', 'relu']);
  expect(relativeL2(got.relu, r3), 'hidden').toBeLessThan(1e-4);
  expect(relativeL2(got['features.4'], r2), 'second').toBeLessThan(1e-4);
  expect(relativeL2(got['features.1'], r1), 'first').toBeLessThan(1e-4);
  expect(relativeL2(got.input, r0), 'pixels').toBeLessThan(1e-4);
  net.destroy();
});

test('a rule that shares among inputs of either sign, where there are none below 0', async () => {
  const net = ownNet(await testGpu(), build, { weights });
  const recorder = Recorder.on(net.gpu!);
  const trace = net.trace(recorder, recorder.constant(x.data, x.shape), { taps: ['relu'] });
  const dy = recorder.constant(Float32Array.of(0, 1, 0, 0), [1, 4]);
  const passed = (rules: RuleSet) => trace.backward('head', dy, ['relu'], rules).get('relu')!;
  const outputs = [
    trace.value('relu'),
    passed([[kind('linear'), sharing([{ terms: [{ x: plus, w: plus }] }])]]),
    passed(transformerRules('transformer-orig')),
    passed([[kind('linear'), sharing([{ terms: [{ x: minus, w: minus }] }])]]),
  ];
  const tensors = await recorder.run(outputs);
  const [a, shared, doubled, nothing] = (await net.gpu!.read(tensors)) as Float32Array[];
  for (const tensor of tensors) tensor.destroy();
  const positive: DenseRule = ({ c }) => over(c.map(pos), 0);
  const seed = [0, 1, 0, 0];
  const want = back(denseLinear('head'), Array.from(a), seed, positive);
  expect(sum(want)).toBeCloseTo(1, 4);
  expect(relativeL2(shared, want)).toBeLessThan(1e-4);
  // The share of negative inputs, which doubles relevance elsewhere, is missing.
  expect(relativeL2(doubled, want)).toBeLessThan(1e-4);
  expect(Array.from(nothing)).toEqual(want.map(() => 0));
  expect(() => trace.backward('head', dy, ['flat'], transformerRules('transformer-orig'))).toThrow(
    'no rule for relu (relu)',
  );
  net.destroy();
});

test.each(['epsilon', 'z-plus', 'gamma', 'flat', 'w-square', 'epsilon-gamma-box'] as const)(
  '%s conserves relevance from layer to layer where there are no biases',
  async (composite) => {
    const net = ownNet(await testGpu(), build, { weights: withoutBias });
    const nodes = net.graph.names.filter((name) => name !== net.graph.output);
    const found = await relevanceOf(net, composite, nodes);
    for (const name of nodes) {
      const scale = sum(found[name].map(Math.abs));
      expect(Math.abs(sum(found[name]) - 1), name).toBeLessThan(1e-4 * Math.max(1, scale));
    }
    net.destroy();
  },
);

test('averages and sums share relevance in proportion', async () => {
  const averages = { kind: 'avgPool2d', options: { size: [2, 2], stride: [2, 2] } } as const;
  const of = (shape: number[], seed: number) => random(shape, seed).data;
  const net = ownNet(
    await testGpu(),
    (classes) => {
      const g = new Graph();
      const a = g.add('a', [g.add('convA', ['input'], Conv2d(3, 2, 3, { pad: 1 }))], ReLU);
      const b = g.add('b', [g.add('convB', ['input'], Conv2d(3, 2, 3, { pad: 1 }))], ReLU);
      const both = g.add('both', [a, b], { kind: 'add', options: {} });
      const small = g.add('small', [both], averages);
      const mean = g.add('mean', [small], AdaptiveAvgPool2d([2, 2]));
      g.add('head', [g.add('flat', [mean], Flatten)], Linear(8, classes));
      return g;
    },
    {
      weights: {
        'convA.weight': of([2, 3, 3, 3], 1),
        'convA.bias': of([2], 2),
        'convB.weight': of([2, 3, 3, 3], 3),
        'convB.bias': of([2], 4),
        'head.weight': of([4, 8], 5),
        'head.bias': of([4], 6),
      },
    },
  );
  const recorder = Recorder.on(net.gpu!);
  const trace = net.trace(recorder, recorder.constant(x.data, x.shape), { taps: ['a', 'b'] });
  const tensors = await recorder.run(['a', 'b'].map((name) => trace.value(name)));
  const [a, b] = (await net.gpu!.read(tensors)) as Float32Array[];
  for (const tensor of tensors) tensor.destroy();
  const found = await relevanceOf(net, 'epsilon', ['a', 'b', 'both', 'mean']);
  // A place of the mean is one of 4 x 4 places before both averages.
  const block = (i: number) =>
    Math.floor(i / 64) * 4 + Math.floor((i % 64) / 32) * 2 + Math.floor((i % 8) / 4);
  const whole = new Float64Array(8);
  for (let i = 0; i < a.length; i++) whole[block(i)] += a[i] + b[i];
  const share = (part: Float32Array) =>
    Array.from(part, (v, i) => (v * found.mean[block(i)]) / whole[block(i)]);
  expect(found.mean.some((v) => v !== 0)).toBe(true);
  expect(relativeL2(found.a, share(a))).toBeLessThan(1e-4);
  expect(relativeL2(found.b, share(b))).toBeLessThan(1e-4);
  expect(relativeL2(found.both, share(a.map((v, i) => v + b[i])))).toBeLessThan(1e-4);
  net.destroy();
});

test('batch norms are merged first: relevance is that of the merged convolution', async () => {
  const [w, b] = [random([4, 3, 3, 3], 1).data, random([4], 2).data];
  const norm = {
    weight: random([4], 3).data.map((v) => v + 1.5),
    bias: random([4], 4).data,
    running_mean: random([4], 5).data,
    running_var: random([4], 6).data.map((v) => v + 1.5),
  };
  const scale = norm.weight.map((v, k) => v / Math.sqrt(norm.running_var[k] + 1e-5));
  const head = { 'head.weight': random([4, 256], 7).data, 'head.bias': random([4], 8).data };
  const netOf = async (modules: readonly Parameters<Graph['add']>[2][], own: typeof weights) =>
    ownNet(
      await testGpu(),
      (classes) => {
        const g = new Graph();
        const maps = g.sequential('features', 'input', modules);
        g.add('head', [g.add('flat', [maps], Flatten)], Linear(256, classes));
        return g;
      },
      { weights: { ...head, ...own } },
    );
  const conv = Conv2d(3, 4, 3, { pad: 1 });
  const normed = await netOf([conv, BatchNorm2d(4), ReLU], {
    'features.0.weight': w,
    'features.0.bias': b,
    ...Object.fromEntries(Object.entries(norm).map(([name, v]) => [`features.1.${name}`, v])),
  });
  const merged = await netOf([conv, ReLU], {
    'features.0.weight': w.map((v, i) => v * scale[Math.floor(i / 27)]),
    'features.0.bias': b.map((v, k) => (v - norm.running_mean[k]) * scale[k] + norm.bias[k]),
  });
  for (const composite of ['epsilon-alpha2-beta1', 'gamma'] as const) {
    const want = (await relevanceOf(merged, composite, ['input'])).input;
    const got = (await relevanceOf(normed, composite, ['input'])).input;
    expect(relativeL2(got, want)).toBeLessThan(1e-4);
  }

  // However they were computed forward: but between the two there is no relevance.
  const recorder = Recorder.on(normed.gpu!);
  const trace = normed.trace(recorder, recorder.constant(x.data, x.shape), {
    taps: ['features.0'],
  });
  const rules = relevanceRules('gamma', { low, high, gamma });
  const seed = Float32Array.from({ length: 4 }, (_, c) => Number(c === classId));
  const dy = recorder.constant(seed, [1, 4]);
  const apart = trace.backward('head', dy, ['input'], rules).get('input')!;
  const tensors = await recorder.run([apart, trace.value('features.0')]);
  const want = (await relevanceOf(merged, 'gamma', ['input'])).input;
  expect(relativeL2(await tensors[0].read(), want)).toBeLessThan(1e-4);
  for (const tensor of tensors) tensor.destroy();
  expect(() => trace.backward('head', dy, ['features.0'], rules)).toThrow(
    /features.1 is not merged/,
  );
  normed.destroy();
  merged.destroy();
});
