import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../src/cam/explain.js';
import { predict } from '../../src/cam/predict.js';
import { classTarget, linearTarget } from '../../src/cam/target.js';
import { LayerError, TargetError } from '../../src/errors.js';
import {
  onePetCases,
  reinitialised,
  type SanityResult,
  type SanityStep,
  type Similarity,
  sanity,
  sanityLayers,
  sanityVerdict,
} from '../../src/eval/index.js';
import { spearman } from '../../src/eval/similarity.js';
import { Photo } from '../../src/image/photo.js';
import type { Architecture } from '../../src/net/architecture.js';
import { Graph } from '../../src/net/graph.js';
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Flatten,
  Linear,
  ReLU,
} from '../../src/net/modules.js';
import { Net } from '../../src/net/net.js';
import type { ParamSource } from '../../src/net/params.js';
import { useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';

const { gpu } = useGpu();

/** Three layers with parameters and a norm, for inputs of 16 x 16. */
const small: Architecture = {
  name: 'small',
  paper: '',
  classes: 4,
  head: 'head',
  defaultLayer: 'features.4',
  preprocessing: {
    resize: 16,
    crop: 16,
    interpolation: 'bilinear',
    mean: [0.5, 0.5, 0.5],
    std: [0.25, 0.25, 0.25],
  },
  minInput: 8,
  build: (classes) => {
    const g = new Graph();
    const maps = g.sequential('features', 'input', [
      Conv2d(3, 6, 3, { pad: 1 }),
      BatchNorm2d(6),
      ReLU,
      Conv2d(6, 6, 3, { pad: 1 }),
      ReLU,
    ]);
    const flat = g.add('flatten', [g.add('pool', [maps], AdaptiveAvgPool2d([1, 1]))], Flatten);
    g.add('head', [flat], Linear(6, classes));
    return g;
  },
};
const down = ['head', 'features.3', 'features.1', 'features.0'];

/** Stands for what was learnt: other random numbers. */
const learnt = () => weightsOf('a');

const weightsOf = (seed: string): Map<string, ParamSource> =>
  new Map(
    [...small.build(4).params].map(([name, shape]) => [name, reinitialised(name, shape, seed)]),
  );

const input = (count: number) =>
  gpu().tensor(
    Float32Array.from({ length: count * 768 }, (_, i) => Math.sin(0.7 * i + (i % 31) ** 2)),
    [count, 3, 16, 16],
  );

/** Six images of different colours, for networks that take some of them for one class and some for another. */
const colours = () =>
  gpu().tensor(
    random([6, 3, 16, 16], 5).data.map((v, i) => v + 3 * Math.sin(1 + 2 * Math.floor(i / 256))),
    [6, 3, 16, 16],
  );

describe('reinitialised', () => {
  const values = (name: string, shape: number[], seed = 's') =>
    reinitialised(name, shape, seed).read();

  test('weights have mean 0 and variance 2 / fan-in, whatever their number of dimensions', () => {
    for (const shape of [
      [64, 32, 3, 3],
      [96, 200],
    ]) {
      const w = values('conv.weight', shape);
      const fanIn = w.length / shape[0];
      const mean = w.reduce((s, v) => s + v, 0) / w.length;
      const variance = w.reduce((s, v) => s + v * v, 0) / w.length;
      expect(Math.abs(mean) * Math.sqrt((w.length * fanIn) / 2)).toBeLessThan(4);
      expect(variance * fanIn).toBeCloseTo(2, 1);
      expect(Math.max(...w.map(Math.abs))).toBeLessThanOrEqual(Math.fround(Math.sqrt(6 / fanIn)));
    }
  });

  test('norms and biases start as they do, tokens small', () => {
    expect([...values('bn.weight', [3])]).toEqual([1, 1, 1]);
    expect([...values('bn.running_var', [3])]).toEqual([1, 1, 1]);
    for (const zero of ['bn.bias', 'bn.running_mean', 'attn.in_proj_bias']) {
      expect([...values(zero, [3])]).toEqual([0, 0, 0]);
    }
    expect(values('attn.in_proj_weight', [6, 2]).some((v) => v < 0)).toBe(true);
    const tokens = values('pos_embedding', [1, 50, 100]);
    expect(Math.sqrt(tokens.reduce((s, v) => s + v * v, 0) / 5000)).toBeCloseTo(0.02, 3);
  });

  test('depend on seed and name, on nothing else', () => {
    const a = values('a.weight', [40, 40]);
    expect(values('a.weight', [40, 40])).toEqual(a);
    for (const other of [values('b.weight', [40, 40]), values('a.weight', [40, 40], 't')]) {
      expect(Math.abs(spearman(a, other))).toBeLessThan(0.1);
    }
    // No pattern from one number to the next.
    expect(Math.abs(spearman(a.subarray(1), a.subarray(0, -1)))).toBeLessThan(0.1);
  });
});

describe('sanityLayers', () => {
  const graph = small.build(4);

  test('cascading goes from the output down, independent one at a time', () => {
    expect(sanityLayers(graph, {})).toEqual(
      down.map((layer, i) => ({ layer, randomised: down.slice(0, i + 1) })),
    );
    expect(sanityLayers(graph, { mode: 'independent' })).toEqual(
      down.map((layer) => ({ layer, randomised: [layer] })),
    );
  });

  test('evenly spaced if there are many, or as named, blocks too, in the network’s order', () => {
    const layers = (options: object) => sanityLayers(graph, options).map(({ layer }) => layer);
    expect(layers({ steps: 2 })).toEqual(['head', 'features.0']);
    expect(layers({ steps: 3 })).toEqual(['head', 'features.1', 'features.0']);
    expect(layers({ layers: ['features.1', 'head'] })).toEqual(['head', 'features.1']);
    expect(sanityLayers(graph, { layers: ['features'], mode: 'independent' })).toEqual([
      { layer: 'features', randomised: ['features.3', 'features.1', 'features.0'] },
    ]);
    expect(sanityLayers(graph, { layers: ['features'] })[0].randomised).toEqual(down);
  });

  test('refuses what has nothing to make random', () => {
    expect(() => sanityLayers(graph, { layers: ['features.9'] })).toThrow(/nearest are features/);
    expect(() => sanityLayers(graph, { layers: ['features.2'] })).toThrow(LayerError);
    expect(() => sanityLayers(graph, { steps: 1 })).toThrow(/at least 2/);
    expect(() => sanityLayers(graph, { layers: [] })).toThrow(/no layer given/);
  });
});

describe('sanity', () => {
  test('each map is that of the network with these parameters, for the class of the trained one', async () => {
    const net = Net.from(gpu(), small, learnt());
    const x = input(3);
    const [classIds, before] = [
      (await predict(net, x)).map(([best]) => best.classId),
      gpu().liveBytes,
    ];
    const progress: string[] = [];
    let isOtherClass = false;
    for (const mode of ['cascading', 'independent'] as const) {
      const result = await sanity(net, x, {
        ...{ mode, method: 'gradient', seed: 'b' },
        onProgress: (done, total) => progress.push(`${done}/${total}`),
      });
      expect(result).toMatchObject({ mode, seed: 'b', size: [16, 16], classIds });
      expect(result.blank).toEqual([false, false, false]);
      expect(result.steps.map(({ layer }) => layer)).toEqual(down);
      for (const [i, step] of result.steps.entries()) {
        const sources = learnt();
        for (const [name, shape] of small.build(4).params) {
          const node = name.slice(0, name.lastIndexOf('.'));
          const random = mode === 'cascading' ? down.slice(0, i + 1) : [down[i]];
          if (random.includes(node)) sources.set(name, reinitialised(name, shape, 'b'));
        }
        const other = Net.from(gpu(), small, sources);
        const expected = await explain(other, x, {
          method: 'gradient',
          target: classTarget(classIds),
        });
        expect(step.maps).toEqual(await expected.read());
        const predicted = (await predict(other, x)).map(([best]) => best.classId);
        isOtherClass ||= predicted.some((id, n) => id !== classIds[n]);
        const raw = await expected.raw.read();
        const original = await explain(net, x, { method: 'gradient' });
        const trainedRaw = await original.raw.read();
        const added = (values: Float32Array) =>
          Array.from({ length: 256 }, (_, p) => values[p] + values[256 + p] + values[512 + p]);
        expect(step.images[0].signedSpearman).toBeCloseTo(
          spearman(added(trainedRaw), added(raw)),
          2,
        );
        original.destroy();
        expected.destroy();
        other.destroy();
      }
    }
    // Or the test would not see whose class is explained.
    expect(isOtherClass).toBe(true);
    expect(progress.slice(0, 5)).toEqual(['1/5', '2/5', '3/5', '4/5', '5/5']);
    expect(gpu().liveBytes).toBe(before);
    net.destroy();
    x.destroy();
  });

  test('is the same again and in other batches, another with another seed', async () => {
    const net = Net.from(gpu(), small, learnt());
    const photos = [3, 5, 7].map((step) => {
      const rgba = Uint8Array.from({ length: 4 * 256 }, (_, i) => (i * i * step) % 256);
      return Photo.fromRgba(gpu(), { width: 16, height: 16, rgba });
    });
    const run = (options: object) =>
      sanity(net, photos, { method: 'gradient', steps: 2, ...options });
    const numbers = ({ steps }: SanityResult) => steps.map(({ images }) => images);
    const [one, again, apart, other] = [
      await run({}),
      await run({}),
      await run({ batch: 1 }),
      await run({ seed: 'c' }),
    ];
    expect(numbers(again)).toEqual(numbers(one));
    numbers(apart)
      .flat()
      .forEach((image, i) => {
        expect(image.spearman).toBeCloseTo(numbers(one).flat()[i].spearman, 3);
      });
    expect(apart.classIds).toEqual(one.classIds);
    expect(numbers(other)).not.toEqual(numbers(one));
    for (const photo of photos) photo.destroy();
    net.destroy();
  });

  test('a map that shows nothing counts for nothing; one of a random network has nothing in common', async () => {
    const net = Net.from(gpu(), small, learnt());
    const values = new Float32Array(2 * 768);
    for (let i = 0; i < 768; i++) values[768 + i] = Math.sin(i * i);
    const x = gpu().tensor(values, [2, 3, 16, 16]);
    // The first image is 0 everywhere, and so is gradient x input.
    const { blank, chance, steps } = await sanity(net, x, { method: 'gradient-x-input', steps: 2 });
    expect(blank).toEqual([true, false]);
    for (const { images, mean } of steps) expect(mean).toEqual(images[1]);
    expect(chance.spearman).toBeLessThan(0.5);

    // The other way round: with no learnt head every score is 0 and so are the gradients.
    const sources = learnt();
    const zero = reinitialised('head.bias', [4], '');
    sources.set('head.weight', { shape: [4, 6], read: () => new Float32Array(24) });
    const silent = Net.from(gpu(), small, new Map([...sources, ['head.bias', zero]]));
    const nothing = await sanity(silent, x, { method: 'gradient', steps: 2 });
    expect(nothing.blank).toEqual([true, true]);
    expect(nothing.steps[0].mean).toEqual({ spearman: 0, ssim: 0, hog: 0 });
    expect(nothing.steps[0].blank).toBe(1);
    for (const used of [net, silent, x]) used.destroy();
  });

  test('an image that a random network takes for another class, and the method refuses, has a blank map; the others theirs', async () => {
    const net = Net.from(gpu(), small, weightsOf('h'));
    const x = colours();
    const how = { method: 'cameras', options: { steps: 1 } };
    const classIds = (await predict(net, x)).map(([best]) => best.classId);
    const before = gpu().liveBytes;
    const result = await sanity(net, x, { ...how, seed: 'b' });
    expect(gpu().liveBytes).toBe(before);
    expect(result).toMatchObject({ classIds, blank: new Array(6).fill(false) });
    const seen = { refused: 0, explained: 0, mixed: 0 };
    for (const [i, { maps, blank, images }] of result.steps.entries()) {
      const sources = weightsOf('h');
      for (const [name, shape] of small.build(4).params) {
        const node = name.slice(0, name.lastIndexOf('.'));
        if (down.indexOf(node) <= i) sources.set(name, reinitialised(name, shape, 'b'));
      }
      const other = Net.from(gpu(), small, sources);
      const predicted = (await predict(other, x)).map(([best]) => best.classId);
      const target = classTarget(classIds);
      const all = await explain(other, x, { ...how, options: { steps: 1, keep: 'all' }, target });
      const expected = await all.read();
      const isRefused = classIds.map((classId, n) => predicted[n] !== classId);
      isRefused.forEach((none, n) => {
        seen[none ? 'refused' : 'explained']++;
        if (none) expected.fill(0, 256 * n, 256 * (n + 1));
        if (none) expect(images[n].spearman).toBe(0);
      });
      if (new Set(isRefused).size === 2) seen.mixed++;
      expect(relativeL2(maps, expected)).toBeLessThan(1e-5);
      expect(blank).toBe(isRefused.filter(Boolean).length);
      all.destroy();
      other.destroy();
    }
    expect(seen.refused).toBeGreaterThan(0);
    expect(seen.explained).toBeGreaterThan(0);
    expect(seen.mixed).toBeGreaterThan(0);

    for (const used of [net, x]) used.destroy();
  });

  test('an image that the trained network refuses counts for nothing; if it refuses all, that is an error', async () => {
    const [net, x] = [Net.from(gpu(), small, weightsOf('h')), colours()];
    const classIds = (await predict(net, x)).map(([best]) => best.classId);
    const [, classId] = classIds;
    const isOther = classIds.map((id) => id !== classId);
    expect(new Set(isOther).size).toBe(2);
    const how = { method: 'cameras', options: { steps: 1 }, layers: ['head'] };
    const result = await sanity(net, x, { ...how, target: classTarget(classId) });
    expect(result.blank).toEqual(isOther);
    const [{ mean, images }] = result.steps;
    const shown = images.filter((_, n) => !isOther[n]);
    expect(mean.ssim).toBeCloseTo(shown.reduce((sum, s) => sum + s.ssim, 0) / shown.length, 12);
    const never = [0, 1, 2, 3].find((id) => !classIds.includes(id))!;
    const refused = sanity(net, x, { ...how, target: classTarget(never) });
    await expect(refused).rejects.toThrow(TargetError);
    for (const used of [net, x]) used.destroy();
  });

  test('takes targets that are no class, options and layers of the method', async () => {
    const net = Net.from(gpu(), small, learnt());
    const x = input(1);
    const target = linearTarget(Float32Array.of(1, -1, 0, 0));
    const result = await sanity(net, x, { target, layer: 'features.0', layers: ['head'] });
    expect(result).toMatchObject({ classIds: [null], method: { name: 'grad-cam' } });
    expect(result.steps).toHaveLength(1);
    const how = { method: 'lrp', options: { composite: 'gamma' } };
    const lrp = await sanity(net, x, { ...how, layers: ['features.0'], mode: 'independent' });
    const expected = await explain(net, x, how);
    const map = await expected.read();
    expect(lrp.maps).toEqual(map);
    // A map with a sign: 1/2 is 0.
    const amounts = (m: Float32Array) => m.map((v) => Math.abs(2 * v - 1));
    const [{ maps, images }] = lrp.steps;
    expect(images[0].spearman).toBeCloseTo(spearman(amounts(map), amounts(maps)), 9);
    expect(images[0].signedSpearman).toBeCloseTo(spearman(map, maps), 2);
    for (const used of [net, x, expected]) used.destroy();
  });

  test('refuses what does not fit, and stops when told', async () => {
    const net = Net.from(gpu(), small, learnt());
    const x = input(1);
    const before = gpu().liveBytes;
    await expect(sanity(Net.describe(small), x)).rejects.toThrow(/no weights/);
    await expect(sanity(net, x, { batch: 0 })).rejects.toThrow(RangeError);
    await expect(sanity(net, [])).rejects.toThrow(/no photo given/);
    await expect(sanity(net, x, { method: 'gradcam' })).rejects.toThrow(LayerError);
    await expect(sanity(net, x, { target: classTarget(4) })).rejects.toThrow(/out of range/);
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    await expect(sanity(net, x, { signal: stop.signal, onProgress })).rejects.toThrow(/abort/i);
    net.params!.destroy();
    expect(gpu().liveBytes).toBeLessThanOrEqual(before);
    for (const used of [net, x]) used.destroy();
  });
});

describe('sanityVerdict', () => {
  const like = (value: number, signed?: number): Similarity => ({
    ...{ spearman: value, ssim: 0, hog: 0 },
    ...(signed !== undefined && { signedSpearman: signed }),
  });
  const about = (means: Similarity[], chance: Similarity, images = 4) => ({
    mode: 'cascading' as const,
    steps: means.map((mean) => ({ mean }) as SanityStep),
    chance,
    blank: new Array<boolean>(images).fill(false),
  });

  test('kept is the mean over the steps, above chance; half of it fails', () => {
    const low = sanityVerdict(about([like(0.8), like(0.3)], like(0.2)))!;
    expect(low.kept.spearman).toBeCloseTo(0.35 / 0.8, 12);
    expect(low).toMatchObject({ most: 'spearman', passes: true });
    const high = sanityVerdict(about([like(0.9), like(0.4)], like(0.2)))!;
    expect(high.kept.spearman).toBeCloseTo(0.45 / 0.8, 12);
    expect(high.passes).toBe(false);
    expect(sanityVerdict(about([like(0.5)], like(0)))!.passes).toBe(false);
  });

  test('any measure can fail it, and one that is missing does not count', () => {
    const signed = sanityVerdict(about([like(0.1, 0.7)], like(0, 0)))!;
    expect(signed).toMatchObject({ most: 'signedSpearman', passes: false });
    const unsigned = sanityVerdict(about([like(-0.1)], like(0.5)))!;
    expect(unsigned.kept).not.toHaveProperty('signedSpearman');
    expect(unsigned.passes).toBe(true);
    expect(sanityVerdict(about([like(1)], like(1)))!.kept.spearman).toBe(0);
  });

  test('there is none for single layers, or too few maps', () => {
    const fine = about([like(0.5)], like(0));
    expect(sanityVerdict({ ...fine, mode: 'independent' })).toBeUndefined();
    expect(sanityVerdict({ ...fine, blank: [false, false, false, true] })).toBeUndefined();
  });
});

describe('toy_vgg', () => {
  let verdicts: Record<string, boolean>;

  beforeAll(async () => {
    const path = fileURLToPath(new URL('../../models/toy_vgg.safetensors', import.meta.url));
    const { preprocessing } = Net.describe('toy_vgg');
    // Half its size, for speed: it still knows the animals' shapes.
    const net = Net.load(gpu(), undefined, new Uint8Array(readFileSync(path)), {
      preprocessing: { ...preprocessing, resize: 56, crop: 56 },
    });
    const photos = onePetCases(4).map(({ image }) => Photo.fromRgba(gpu(), image));
    verdicts = {};
    for (const method of ['gradient', 'guided-backprop']) {
      verdicts[method] = sanityVerdict(await sanity(net, photos, { method, steps: 3 }))!.passes;
    }
    for (const used of [net, ...photos]) used.destroy();
  }, 60_000);

  test('the gradient passes, guided backpropagation fails', () => {
    expect(verdicts).toEqual({ gradient: true, 'guided-backprop': false });
  });
});
