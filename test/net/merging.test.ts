/**
 * What the executor computes in one dispatch, and what it may not: chains of layers against their definitions in float64, forward, and backward against
 * differences of these definitions.
 */
import { expect, test } from 'vitest';
import { coreCaps } from '../../src/gpu/caps.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { Graph, type Module } from '../../src/net/graph.js';
import {
  Add,
  BatchNorm2d,
  Concat,
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  Mean,
  ReLU,
} from '../../src/net/modules.js';
import type { Net } from '../../src/net/net.js';
import { ownNet } from '../support/black-box.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { hashWeights } from '../support/hash-weights.js';
import { dot, random, relativeL2 } from '../support/numbers.js';
import { conv2d } from '../support/reference.js';

useGpu();

/** Of the input, and of every stack of maps: convolutions pad. */
const [C, H, W] = [3, 5, 4];
const x = random([1, C, H, W], 3);
const seed = random([4], 5).data;

/** Adds nodes and gives the last. */
type Body = (g: Graph) => string;

/** A network that ends in a linear layer of four outputs, and its weights by name. */
async function netOf(body: Body): Promise<{
  net: Net;
  weights: Record<string, Float32Array>;
}> {
  const build = (classes: number) => {
    const g = new Graph();
    const maps = body(g);
    const count = g.get(maps).kind === 'concat' ? 2 : 1;
    g.add('head', [g.add('flat', [maps], Flatten)], Linear(count * C * H * W, classes));
    return g;
  };
  const weights = Object.fromEntries(
    [...hashWeights(build(4), 3)].map(([name, { shape, read }], i) => {
      // Norms that nobody overlooks: hash weights have factors near 1 and means near 0.
      const isOwn = shape.length === 1 && !name.endsWith('running_var');
      return [name, isOwn ? random(shape, 20 + i).data.map((v) => v + 0.3) : read()];
    }),
  );
  return { net: ownNet(await testGpu(), build, { weights }), weights };
}

type Maps = ArrayLike<number>;

/** Every node's value in float64, by the definition of its kind. */
function valuesOf({ graph }: Net, weights: Record<string, Float32Array>, input: Maps) {
  const values = new Map<string, Maps>([['input', input]]);
  for (const { name, kind, inputs, params } of graph.nodes) {
    const [a, b] = inputs.map((from) => values.get(from)!);
    const own = (param: string) => weights[`${name}.${param}`];
    const compute: Record<string, () => Maps> = {
      input: () => input,
      conv2d: () => {
        const w = { shape: params.weight, data: own('weight') };
        // A reference for arrays of any kind: float64 stays float64.
        const maps = { shape: [1, C, H, W], data: a as Float32Array };
        return conv2d(maps, w, { shape: params.bias, data: own('bias') }, { pad: [1, 1] }).y;
      },
      batchNorm2d: () =>
        Float64Array.from(a, (v, i) => {
          const k = Math.floor(i / (H * W));
          const scale = own('weight')[k] / Math.sqrt(own('running_var')[k] + 1e-5);
          return (v - own('running_mean')[k]) * scale + own('bias')[k];
        }),
      relu: () => Float64Array.from(a, (v) => Math.max(0, v)),
      dropout: () => a,
      flatten: () => a,
      add: () => Float64Array.from(a, (v, i) => v + b[i]),
      mean: () => Float64Array.from(a, (v, i) => (v + b[i]) / 2),
      concat: () => Float64Array.from([...Array.from(a), ...Array.from(b)]),
      linear: () => {
        const [outputs, width] = params.weight;
        return Float64Array.from({ length: (a.length / width) * outputs }, (_, i) => {
          const [row, k] = [Math.floor(i / outputs), i % outputs];
          const w = own('weight').subarray(k * width, (k + 1) * width);
          return own('bias')[k] + dot(w, Array.from(a).slice(row * width, (row + 1) * width));
        });
      },
    };
    values.set(name, compute[kind]());
  }
  return values;
}

/** d (seed . logits) / d input by differences in float64. */
function slopes(net: Net, weights: Record<string, Float32Array>): number[] {
  const h = 1e-6;
  const at = (i: number, t: number) => {
    const moved = Float64Array.from(x.data);
    moved[i] += t;
    return dot(valuesOf(net, weights, moved).get('head')!, seed);
  };
  return Array.from(x.data, (_, i) => (at(i, h) - at(i, -h)) / (2 * h));
}

/** Logits and the input's gradient; with every node tapped, nothing is merged. */
async function computed(net: Net, isTapped: boolean) {
  const taps = isTapped ? net.graph.names : [];
  const recorder = Recorder.on(net.gpu!);
  const trace = net.trace(recorder, recorder.constant(x.data, x.shape), { taps });
  const logits = trace.output;
  const found = trace.backward('head', recorder.constant(seed, [1, 4]), ['input']);
  const tensors = await recorder.run([logits, found.get('input')!]);
  const read = (await net.gpu!.read(tensors)) as Float32Array[];
  for (const tensor of tensors) tensor.destroy();
  return read;
}

/** Modules one after the other, named n0, n1, ... */
const chain =
  (...modules: readonly Module[]) =>
  (g: Graph) =>
    modules.reduce((before, module, i) => g.add(`n${i}`, [before], module), 'input');

const conv = Conv2d(C, C, 3, { pad: 1 });
const norm = BatchNorm2d(C);

/** How many dispatches each takes up to its last node, where it may merge. */
const bodies: Readonly<Record<string, readonly [dispatches: number, body: Body]>> = {
  'conv-norm-relu': [1, chain(conv, norm, ReLU)],
  'conv-relu-norm': [2, chain(conv, ReLU, norm)],
  'conv-norm-norm': [2, chain(conv, norm, norm)],
  'conv-norm-norm-relu': [3, chain(conv, norm, norm, ReLU)],
  'conv-norm-relu-norm': [2, chain(conv, norm, ReLU, norm)],
  'norm-conv-relu': [2, chain(norm, conv, ReLU)],
  'conv-relu-norm in a concatenation': [
    4,
    (g) => g.add('cat', [chain(conv, ReLU, norm)(g), g.add('other', ['input'], conv)], Concat),
  ],
  'linear-norm': [
    2,
    // Of maps, row by row.
    (g) => g.add('n1', [g.add('n0', ['input'], Linear(W, W))], norm),
  ],
};

test.each(Object.keys(bodies))('%s: each norm counts, forward and backward', async (name) => {
  const [dispatches, body] = bodies[name];
  const { net, weights } = await netOf(body);
  const wantLogits = valuesOf(net, weights, x.data).get('head')!;
  const wantGradient = slopes(net, weights);
  for (const isTapped of [false, true]) {
    const [logits, gradient] = await computed(net, isTapped);
    expect(relativeL2(logits, wantLogits), `tapped: ${isTapped}`).toBeLessThan(1e-5);
    expect(relativeL2(gradient, wantGradient), `tapped: ${isTapped}`).toBeLessThan(1e-5);
  }
  expect(net.plan(1, { inputSize: [H, W], caps: coreCaps }).dispatches).toBe(dispatches + 1);
  net.destroy();
});

const twice = (g: Graph) => g.add('n0', ['input'], conv);
const sums: Readonly<Record<string, Body>> = {
  'x + x': (g) => {
    const a = twice(g);
    return g.add('sum', [a, a], Add);
  },
  'the mean of x and x': (g) => {
    const a = twice(g);
    return g.add('sum', [a, a], Mean);
  },
  'x + dropout(x)': (g) => {
    const a = twice(g);
    return g.add('sum', [a, g.add('drop', [a], Dropout)], Add);
  },
  'x + dropout(x) + x': (g) => {
    const a = twice(g);
    const sum = g.add('sum', [a, g.add('drop', [a], Dropout)], Add);
    return g.add('more', [sum, a], Add);
  },
};

test.each(Object.keys(sums))('%s: x has the gradients of both', async (name) => {
  const { net, weights } = await netOf(sums[name]);
  const [logits, gradient] = await computed(net, false);
  expect(relativeL2(logits, valuesOf(net, weights, x.data).get('head')!)).toBeLessThan(1e-5);
  expect(relativeL2(gradient, slopes(net, weights))).toBeLessThan(1e-5);
  net.destroy();
});
