import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { coreLimits } from '../../src/gpu/caps.js';
import type { Gpu } from '../../src/gpu/device.js';
import { Recorder } from '../../src/gpu/recorder.js';
import type { Architecture } from '../../src/net/architecture.js';
import { imagenetPreprocessing } from '../../src/net/architecture.js';
import { Graph } from '../../src/net/graph.js';
import {
  AdaptiveAvgPool2d,
  Add,
  BatchNorm2d,
  Concat,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from '../../src/net/modules.js';
import { Net } from '../../src/net/net.js';
import { rowRuns } from '../../src/net/params.js';
import { any, derivative, kind } from '../../src/net/rules.js';
import { networks } from '../../src/net/zoo/index.js';
import { hasFolder, realDir } from '../support/folders.js';
import { useGpu } from '../support/gpu.js';
import { hashWeights } from '../support/hash-weights.js';
import { dot, random, relativeL2 } from '../support/numbers.js';
import { roomyCaps } from '../support/with-caps.js';

const { gpu } = useGpu();

/** A small net with everything the executor has to handle: batch norm, a concatenation, a residual, overlapping pools. */
const everything: Architecture = {
  name: 'everything',
  paper: '',
  classes: 5,
  head: 'fc',
  defaultLayer: 'cat',
  preprocessing: imagenetPreprocessing,
  minInput: 8,
  build: (classes) => {
    const g = new Graph();
    const stem = g.sequential('stem', 'input', [
      Conv2d(3, 6, 3, { pad: 1, bias: false }),
      BatchNorm2d(6),
      ReLU,
      MaxPool2d(3, 2),
    ]);
    const left = g.sequential('left', stem, [Conv2d(6, 4, 1), ReLU]);
    const right = g.sequential('right', stem, [Conv2d(6, 5, 3, { pad: 1 })]);
    // A branch that ends in a ReLU, whose gradient reads its output back, is not the first.
    const cat = g.add('cat', [right, left, stem], Concat);
    const body = g.sequential('body', cat, [
      Conv2d(15, 15, 3, { pad: 1, groups: 5 }),
      BatchNorm2d(15),
    ]);
    const sum = g.add('sum', [body, cat], Add);
    const last = g.add('relu', [sum], ReLU);
    const pooled = g.add('avgpool', [last], AdaptiveAvgPool2d([2, 2]));
    g.add('fc', [g.add('flatten', [pooled], Flatten)], Linear(60, classes));
    return g;
  },
};

const everythingNet = (device: Gpu) =>
  Net.from(device, everything, hashWeights(everything.build(5), 3));

async function logitsOf(
  net: Net,
  x: { shape: readonly number[]; data: Float32Array },
  taps: string[] = [],
) {
  const r = Recorder.on(net.gpu!);
  const trace = net.trace(r, r.constant(x.data, x.shape), { taps });
  const tensors = await r.run([trace.output, ...taps.map((t) => trace.value(t))]);
  const read = (await net.gpu!.read(tensors)) as Float32Array[];
  for (const t of tensors) t.destroy();
  return read;
}

describe('executor', () => {
  test('tapping every node changes nothing: merged and separate dispatches agree', async () => {
    const net = everythingNet(gpu());
    const x = random([2, 3, 13, 11]);
    const [merged] = await logitsOf(net, x);
    const taps = net.graph.names.filter((n) => n !== 'input');
    const [separate] = await logitsOf(net, x, taps);
    expect(relativeL2(merged, separate)).toBeLessThan(1e-6);
    // Merged: a convolution with what follows it is one. Separate: each node once, flatten none, a part of cat each.
    for (const [tapped, dispatches] of [
      [[], 10],
      [['stem.0'], 12],
      [taps, 16],
    ] as const) {
      const plan = net.plan(2, { inputSize: [13, 11], taps: tapped });
      expect(plan.dispatches).toBe(dispatches);
      expect(plan.steps.filter((step) => step.kernel === 'conv2d')).toHaveLength(4);
    }
    net.destroy();
  });

  test('the gradient is the derivative: directional finite difference through every kind of node', async () => {
    const net = everythingNet(gpu());
    const x = random([1, 3, 13, 11], 4);
    const v = random([1, 3, 13, 11], 5);
    const seed = random([1, 5], 6);
    const r = Recorder.on(gpu());
    const trace = net.trace(r, r.constant(x.data, x.shape), { backwardTo: ['input'] });
    const grads = trace.backward('fc', r.constant(seed.data, [1, 5]), ['input', 'cat']);
    // 10 forward; backward each node once but the merged ones, 3 sums, 3 parts of cat's gradient, and 2 of cat itself.
    expect(r.length).toBeLessThanOrEqual(28);
    const [g] = await r.run([grads.get('input')!]);
    const slope = dot(await g.read(), v.data);
    g.destroy();
    const at = async (t: number) => {
      const moved = x.data.map((value, i) => value + t * v.data[i]);
      const [y] = await logitsOf(net, { shape: x.shape, data: moved });
      return dot(y, seed.data);
    };
    const h = 1e-3;
    const difference = ((await at(h)) - (await at(-h))) / (2 * h);
    expect(Math.abs(slope - difference)).toBeLessThan(5e-3 * Math.max(1, Math.abs(slope)));
    net.destroy();
  });

  test.each([
    ['merged', []],
    ['separate', ['stem.0', 'body.0']],
  ])('back to and from between a convolution and its batch norm, %s forward', async (_, taps) => {
    const net = everythingNet(gpu());
    const x = random([2, 3, 13, 11], 10);
    const r = Recorder.on(gpu());
    const trace = net.trace(r, r.constant(x.data, x.shape), { taps, backwardTo: ['input'] });
    const { output } = trace;
    /** dy, or dy times or over what the batch norm multiplies each map by. */
    const scaled = (norm: string, data: Float32Array, power = 1) => {
      const [w, variance] = ['weight', 'running_var'].map((p) => net.params!.read(`${norm}.${p}`));
      const size = data.length / (2 * w.length);
      return data.map((v, i) => {
        const k = Math.floor(i / size) % w.length;
        return v * (w[k] / Math.sqrt(variance[k] + 1e-5)) ** power;
      });
    };
    const back = (from: string, dy: Float32Array, to: string[]) => {
      const { shape } = trace.value(from);
      return to.map((name) => trace.backward(from, r.constant(dy, shape), to).get(name)!);
    };
    const seed = random([2, 5], 11).data;
    const { shape, size } = trace.value('body.0');
    const dy = random(shape, 12).data;
    expect(dy.length).toBe(size);
    const tensors = await r.run([
      output,
      ...back('fc', seed, ['stem.1']),
      ...back('fc', seed, ['stem.0']),
      ...back('fc', seed, ['input']),
      ...back('fc', seed, ['stem.0', 'input']),
      ...back('body.0', dy, ['cat']),
      ...back('body.1', scaled('body.1', dy, -1), ['cat']),
    ]);
    const read = (await gpu().read(tensors)) as Float32Array[];
    for (const t of tensors) t.destroy();
    const [, atNorm, atConv, atInput, bothConv, bothInput, fromConv, fromNorm] = read;
    expect(relativeL2(atConv, scaled('stem.1', atNorm))).toBeLessThan(1e-6);
    expect(relativeL2(bothConv, atConv)).toBeLessThan(1e-6);
    expect(relativeL2(bothInput, atInput)).toBeLessThan(1e-6);
    expect(relativeL2(fromConv, fromNorm)).toBeLessThan(1e-6);
    net.destroy();
  });

  test('a batch norm behind an activation, or behind another, is not the convolution’s', async () => {
    const build = (classes: number) => {
      const g = new Graph();
      const maps = g.sequential('features', 'input', [
        Conv2d(3, 6, 3, { pad: 1 }),
        ReLU,
        BatchNorm2d(6),
        Conv2d(6, 5, 1),
        BatchNorm2d(5),
        BatchNorm2d(5),
        ReLU,
      ]);
      const pooled = g.add('pool', [maps], AdaptiveAvgPool2d([1, 1]));
      g.add('fc', [g.add('flatten', [pooled], Flatten)], Linear(5, classes));
      return g;
    };
    const net = Net.from(gpu(), { ...everything, build }, hashWeights(build(5), 3));
    const x = random([1, 3, 9, 8], 12);
    const [separate] = await logitsOf(net, x, [...net.graph.names]);
    expect(relativeL2((await logitsOf(net, x))[0], separate)).toBeLessThan(1e-6);
    net.destroy();
  });

  test('forward from any node gives what the whole pass gives', async () => {
    const net = everythingNet(gpu());
    const x = random([2, 3, 9, 9], 7);
    // Nodes that the next one would be merged with are among them.
    const names = ['stem.0', 'stem.1', 'cat', 'sum'];
    const [logits, ...values] = await logitsOf(net, x, names);
    const shapes = new Map(net.layers([9, 9]).map((l) => [l.name, l.shape]));
    for (const [i, name] of names.entries()) {
      const r = Recorder.on(gpu());
      const value = r.constant(values[i], [2, ...shapes.get(name)!.slice(1)]);
      const [again] = await r.run([net.traceFrom(r, { [name]: value }).output]);
      expect(relativeL2(await again.read(), logits), name).toBeLessThan(1e-6);
      again.destroy();
    }
    net.destroy();
  });

  test('each image of a batch gets what it gets alone', async () => {
    const net = everythingNet(gpu());
    const x = random([3, 3, 10, 9], 8);
    const [all] = await logitsOf(net, x);
    const size = 3 * 10 * 9;
    for (let n = 0; n < 3; n++) {
      const one = { shape: [1, 3, 10, 9], data: x.data.slice(n * size, (n + 1) * size) };
      const [alone] = await logitsOf(net, one);
      expect(relativeL2(all.subarray(n * 5, n * 5 + 5), alone)).toBeLessThan(1e-6);
    }
    net.destroy();
  });

  test('same input, same bytes', async () => {
    const net = everythingNet(gpu());
    const x = random([2, 3, 13, 11], 9);
    expect(await logitsOf(net, x)).toEqual(await logitsOf(net, x));
    net.destroy();
  });

  test('a node that no rule matches is an error with its name', () => {
    const net = everythingNet(gpu());
    const r = Recorder.on(gpu());
    const trace = net.trace(r, r.constant(random([1, 3, 9, 9]).data, [1, 3, 9, 9]));
    const dy = r.constant(new Float32Array(5), [1, 5]);
    expect(() =>
      trace.backward('fc', dy, ['input'], [[kind('linear', 'flatten'), derivative]]),
    ).toThrow(/no rule for avgpool \(adaptiveAvgPool2d\)/);
    expect(() => trace.backward('stem.0', dy.reshape([1, 5]), ['fc'])).toThrow(/should be/);
    expect(trace.backward('fc', dy, ['cat'], [[any, derivative]]).has('cat')).toBe(true);
    net.destroy();
  });

  test('weights larger than a binding are split, with the same result', async () => {
    const wide: Architecture = {
      ...everything,
      head: 'classifier.2',
      build: (classes) => {
        const g = new Graph();
        const maps = g.add('conv', ['input'], Conv2d(3, 4, 3, { pad: 1 }));
        const flat = g.add('flatten', [g.add('pool', [maps], AdaptiveAvgPool2d([4, 4]))], Flatten);
        g.sequential('classifier', flat, [Linear(64, 103), ReLU, Linear(103, classes)]);
        return g;
      },
    };
    const net = Net.from(gpu(), wide, hashWeights(wide.build(5), 3));
    const x = random([2, 3, 8, 8], 10);
    const seed = random([2, 5], 11).data;
    const run = async (maxStorageBufferBindingSize: number) => {
      const caps = { ...gpu().caps, limits: { ...gpu().caps.limits, maxStorageBufferBindingSize } };
      const r = new Recorder(caps, gpu());
      const trace = net.trace(r, r.constant(x.data, x.shape), { backwardTo: ['flatten'] });
      const grads = trace.backward('classifier.2', r.constant(seed, [2, 5]), ['flatten']);
      const tensors = await r.run([trace.output, grads.get('flatten')!]);
      const read = (await gpu().read(tensors)) as Float32Array[];
      for (const t of tensors) t.destroy();
      return { read, dispatches: r.length };
    };
    const whole = await run(coreLimits.maxStorageBufferBindingSize);
    const split = await run(8192); // the first linear layer's weight takes 26,368 bytes
    expect(split.dispatches - whole.dispatches).toBeGreaterThanOrEqual(6);
    expect(relativeL2(split.read[0], whole.read[0])).toBeLessThan(1e-6);
    expect(relativeL2(split.read[1], whole.read[1])).toBeLessThan(1e-6);
    net.destroy();
  });
});

test('linear layers fill their part of a concatenation, whole or in runs', async () => {
  const heads: Architecture = {
    ...everything,
    build: (classes) => {
      const g = new Graph();
      const flat = g.add('flatten', ['input'], Flatten);
      const [a, b] = [g.add('a', [flat], Linear(192, 5)), g.add('b', [flat], Linear(192, 7))];
      g.add('fc', [g.add('cat', [a, b], Concat)], Linear(12, classes));
      return g;
    },
  };
  const sources = hashWeights(heads.build(5), 3);
  const net = Net.from(gpu(), heads, sources);
  const x = random([2, 3, 8, 8], 12);
  const read = (name: string) => sources.get(name)!.read();
  const want = [0, 1].flatMap((n) =>
    ['a', 'b'].flatMap((layer) => {
      const [w, b] = [read(`${layer}.weight`), read(`${layer}.bias`)];
      return Array.from(
        b,
        (v, k) =>
          v + dot(w.subarray(192 * k, 192 * k + 192), x.data.subarray(192 * n, 192 * n + 192)),
      );
    }),
  );
  for (const maxStorageBufferBindingSize of [coreLimits.maxStorageBufferBindingSize, 2048]) {
    const caps = { ...gpu().caps, limits: { ...gpu().caps.limits, maxStorageBufferBindingSize } };
    const r = new Recorder(caps, gpu());
    const trace = net.trace(r, r.constant(x.data, x.shape));
    const [cat] = await r.run([trace.value('cat')]);
    expect(relativeL2(await cat.read(), want)).toBeLessThan(1e-6);
    cat.destroy();
  }
  net.destroy();
});

test('rows are split into as few equal runs as fit', () => {
  const runs = (rows: number, width: number, bytes: number) =>
    rowRuns([rows, width], bytes).map(({ first, count }) => [first, count]);
  expect(runs(8, 3, 100)).toEqual([[0, 8]]); // 96 bytes
  expect(runs(9, 3, 100)).toEqual([
    [0, 5],
    [5, 4],
  ]);
  expect(runs(3, 26, 100)).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
  ]);
});

describe('zoo', () => {
  for (const [name, architecture] of networks) {
    test(`${name}: plans without a device, default layer is spatial`, () => {
      const net = Net.describe(name, 2);
      const plan = net.plan(1, { backwardTo: [net.defaultLayer] });
      expect(plan.flops).toBeGreaterThan(0);
      expect(plan.peakBytes).toBe(plan.arenaBytes + plan.outputBytes + plan.inputBytes);
      const layers = net.layers();
      expect(layers.find((l) => l.isDefault)?.spatial).toBe(true);
      expect(layers[layers.length - 1].shape).toEqual([1, 2]);
      expect(architecture.build(2).params.get(`${architecture.head}.weight`)?.[0]).toBe(2);
    });
  }

  test.each(['vgg16', 'vit_b_16'])(
    'layers of %s are listed for inputs that no device could hold',
    (name) => {
      const net = Net.describe(name);
      const small = net.layers();
      const large = net.layers([8192, 8192]);
      expect(large.map((layer) => layer.name)).toEqual(small.map((layer) => layer.name));
      const bytes = large.map(({ shape }) => 4 * shape.reduce((a, b) => a * b, 1));
      expect(Math.max(...bytes)).toBeGreaterThan(2 ** 32);
      expect(large.at(-1)!.shape).toEqual([1, 1000]);
    },
  );

  test('VGG-16 counts: 16 dispatches, 31 GFLOP of which Winograd saves 14, the two largest tensors; its first linear layer split at core limits', () => {
    const net = Net.describe('vgg16');
    const plan = net.plan(1, { caps: roomyCaps });
    // 13 convolutions, which pool where the network does, and 3 linear layers; asked: at most 22.
    expect(plan.dispatches).toBe(16);
    const saved = plan.steps
      .filter((s) => s.kernel === 'winogradFused')
      .reduce((sum, { sizes: { C, K, P, Q }, flops }) => sum + 18 * C * K * P * Q - flops, 0);
    expect(saved / 1e9).toBeGreaterThan(14);
    expect((plan.flops + saved) / 1e9).toBeGreaterThan(30.9);
    expect((plan.flops + saved) / 1e9).toBeLessThan(31.1);
    // What the first layer writes, and what the second does of it: a quarter.
    expect(plan.arenaBytes).toBeLessThanOrEqual(1.15 * 1.25 * 64 * 224 * 224 * 4);
    const core = net.plan(1);
    expect(core.dispatches).toBe(19);
    const linears = core.steps.filter((s) => s.kernel === 'linear');
    expect(linears.length).toBeGreaterThan(3);
    for (const step of core.steps) {
      for (const b of step.bindings) {
        expect(4 * b.shape.reduce((x, y) => x * y, 1)).toBeLessThanOrEqual(
          coreLimits.maxStorageBufferBindingSize,
        );
      }
    }
  });

  test('on a software adapter, where large convolutions go by tiles, VGG-16 needs no more memory for what is in between', () => {
    const plan = Net.describe('vgg16').plan(1, { caps: { ...roomyCaps, kind: 'software' } });
    expect(plan.steps.filter((s) => s.kernel === 'winogradProduct').length).toBeGreaterThan(12);
    expect(plan.arenaBytes).toBeLessThanOrEqual(1.15 * 2 * 64 * 224 * 224 * 4);
    expect(plan.flops / 1e9).toBeLessThan(12);
  });

  test('a plan counts each weight once, however often it is read', () => {
    const net = Net.describe('alexnet'); // whose convolutions are all direct on a GPU
    let weights = 0;
    for (const shape of net.graph.params.values()) weights += 4 * shape.reduce((a, b) => a * b, 1);
    const both = net.plan(1, { backwardTo: ['input'] });
    const outside = 4 * (3 * 224 * 224 + 1000); // the input and the seed
    expect(both.inputBytes).toBe(weights + outside);
  });

  test('AlexNet counts: 11 dispatches, 12 at core limits; asked: at most 13', () => {
    const net = Net.describe('alexnet');
    expect(net.plan(1, { caps: roomyCaps }).dispatches).toBe(11);
    expect(net.plan(1).dispatches).toBe(12);
  });

  test('an unknown layer, network or too small an input is one clear line', () => {
    const net = Net.describe('alexnet');
    expect(() => net.graph.get('feature.11')).toThrow(
      /no layer feature.11: nearest are features.11/,
    );
    expect(() => Net.describe('vgg61')).toThrow(/no network vgg61: nearest are vgg1/);
    expect(() => net.plan(1, { inputSize: [40, 224] })).toThrow(/at least 63/);
  });
});

describe.runIf(hasFolder(realDir))('real weights', () => {
  test('tiny_vgg: wrong weights are listed all at once', () => {
    const bytes = readFileSync(join(realDir, 'tiny_vgg.safetensors'));
    expect(() => Net.load(gpu(), 'alexnet', bytes)).toThrow(/missing/);
    const net = Net.load(gpu(), 'tiny_vgg', bytes);
    expect(net.classes).toBe(10);
    net.destroy();
  });
});
