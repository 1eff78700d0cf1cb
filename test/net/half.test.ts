/** Networks whose weights and values are stored in 16 bits. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { create } from 'webgpu';
import { explain, planExplain } from '../../src/cam/explain.js';
import { methods } from '../../src/cam/registry.js';
import { type Caps, capsOf } from '../../src/gpu/caps.js';
import { Gpu } from '../../src/gpu/device.js';
import { Recorder, type RunPlan } from '../../src/gpu/recorder.js';
import { type Storage, sizeOf } from '../../src/gpu/tensor.js';
import { placeholder } from '../../src/gpu/value.js';
import { Photo } from '../../src/image/photo.js';
import { relu } from '../../src/kernels/relu.js';
import { type Architecture, imagenetPreprocessing } from '../../src/net/architecture.js';
import { Graph } from '../../src/net/graph.js';
import {
  AdaptiveAvgPool2d,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from '../../src/net/modules.js';
import { Net } from '../../src/net/net.js';
import { type ParamSource, Params } from '../../src/net/params.js';
import { guided } from '../../src/net/rules.js';
import { parseWeights } from '../../src/net/weights/index.js';
import { severalPets } from '../../src/toy/toypets.js';
import { testCaps, testGpu, useGpu } from '../support/gpu.js';
import { hashWeights } from '../support/hash-weights.js';
import { random, relativeL2 } from '../support/numbers.js';
import { gpuCaps } from '../support/with-caps.js';

useGpu();

const toys = ['toy_vgg', 'toy_alexnet', 'toy_vit'] as const;
const both = (name: string) =>
  (['f32', 'f16'] as const).map((storage) => Net.describe(name, undefined, { storage }));
const bytesOfSteps = (plan: RunPlan, kernels: (name: string) => boolean) =>
  plan.steps.filter(({ kernel }) => kernels(kernel)).map(({ kernel, bytes }) => [kernel, bytes]);
const isCast = (kernel: string) => kernel === 'narrow' || kernel === 'widen';

describe('counted', () => {
  for (const name of [...toys, 'alexnet', 'vgg16', 'vit_b_16', 'squeezenet1_1']) {
    test(`${name}: weights and what lies between layers take half the bytes`, () => {
      const [wide, half] = both(name).map((net) => net.plan(2));
      const [net] = both(name);
      const input = 4 * sizeOf([2, 3, ...net.inputSize]);
      const parameters = net.graph.nodes.flatMap(({ params }) =>
        Object.values<readonly number[]>(params),
      );
      // Winograd's filters are 16/9 of the weights.
      if (!half.steps.some(({ kernel }) => kernel === 'winogradFused')) {
        expect(half.inputBytes - input).toBe(2 * parameters.reduce((sum, p) => sum + sizeOf(p), 0));
      }
      // The input is narrowed into a value of its own; every value begins at a multiple of 256 bytes.
      expect(half.arenaBytes).toBeLessThanOrEqual(wide.arenaBytes / 2 + input / 2 + 256 * 16);
      expect(half.outputBytes).toBe(wide.outputBytes);
      expect(half.inputBytes - input).toBe((wide.inputBytes - input) / 2);
      expect(half.flops - wide.flops).toBe(input / 4 + sizeOf([2, net.classes]));
      // Weights larger than a binding come in fewer runs of rows, or the same.
      expect(half.dispatches).toBeLessThanOrEqual(wide.dispatches + 2);
      expect(half.steps.filter(({ kernel }) => isCast(kernel)).length).toBe(2);
    });
  }

  test('each dispatch of a forward pass moves half, the seam aside', () => {
    for (const name of toys) {
      const [wide, half] = both(name).map((net) => net.plan(3));
      const seam = [half.steps[0], half.steps[half.steps.length - 1]];
      expect(seam.map(({ kernel }) => kernel)).toEqual(['narrow', 'widen']);
      expect(seam.map(({ part }) => part)).toEqual(['to 16 bits', 'to 32 bits']);
      const halved = bytesOfSteps(wide, () => true).map(([k, bytes]) => [k, Number(bytes) / 2]);
      expect(bytesOfSteps(half, (kernel) => !isCast(kernel))).toEqual(halved);
    }
  });

  test('what a method records has 32 bits, what the network does 16', () => {
    const [, net] = both('toy_vgg');
    const input = placeholder([1, 3, 112, 112]);
    const { steps } = planExplain(net, input, { method: 'grad-cam', target: undefined });
    const typesOf = (kernel: string) =>
      steps
        .filter((step) => step.kernel === kernel)
        .flatMap(({ bindings }) => bindings.map(({ dtype }) => dtype));
    expect(new Set(typesOf('conv2d'))).toEqual(new Set(['f16']));
    for (const kernel of ['weightedSum', 'spatialMean', 'resizeBilinear', 'normalizeRows']) {
      expect(new Set(typesOf(kernel)), kernel).toEqual(new Set(['f32']));
    }
    // In: the image, the seed. Out: the layer, its gradient, the logits.
    expect(steps.filter(({ kernel }) => kernel === 'narrow').length).toBe(2);
    expect(steps.filter(({ kernel }) => kernel === 'widen').length).toBe(3);
  });

  test('Score-CAM: one dispatch more a batch, and half the memory', () => {
    const [wide, half] = both('toy_vgg').map((net) => {
      const options = { method: 'score-cam', options: { batch: 16 } };
      return planExplain(net, placeholder([1, 3, 112, 112]), options);
    });
    const batches = 96 / 16;
    // The image and the masks once, the layer, its logits and those of the black image; each batch's logits.
    const casts = half.steps.filter(({ kernel }) => isCast(kernel)).length;
    expect(half.dispatches - wide.dispatches).toBe(casts);
    expect(casts).toBeLessThanOrEqual(batches + 7);
    expect(half.arenaBytes).toBeLessThan(0.6 * wide.arenaBytes);
  });
});

describe('refusals', () => {
  test('a device without shader-f16 says so in one line', async () => {
    const gpu = await testGpu();
    const device = await (await create([]).requestAdapter())!.requestDevice();
    const plain = Gpu.adopt(device, gpu.info);
    try {
      const bytes = toyWeights('toy_vgg');
      expect(() => Net.load(plain, undefined, bytes, { storage: 'f16' })).toThrow(
        /^toy_vgg: storage f16 needs the feature shader-f16, which .+ does not offer: load the network with storage f32$/,
      );
    } finally {
      device.destroy();
    }
  });

  test('relevance and DeepLIFT want 32 bits', () => {
    for (const [method, why] of Object.entries({
      lrp: 'LRP: relevance is divided by sums that nearly cancel',
      'relevance-cam': 'LRP: relevance is divided by sums that nearly cancel',
      deeplift: 'DeepLIFT: divides differences of values that are nearly the same',
    })) {
      const [wide, half] = both('toy_vgg');
      const x = placeholder([1, 3, 112, 112]);
      planExplain(wide, x, { method });
      expect(() => planExplain(half, x, { method })).toThrow(
        `${why}, 16 bits do not do: load the network with storage f32`,
      );
    }
    const [, vit] = both('toy_vit');
    for (const method of ['lrp', 'partial-lrp', 'transformer-attribution']) {
      expect(() => planExplain(vit, placeholder([1, 3, 112, 112]), { method })).toThrow(
        /^LRP: .*32$/,
      );
    }
  });

  test('every other method can be planned', () => {
    const precise = ['lrp', 'relevance-cam', 'deeplift', 'partial-lrp', 'transformer-attribution'];
    const nets = toys.map((name) => both(name)[1]);
    for (const method of methods.values()) {
      if (precise.includes(method.name)) continue;
      for (const net of nets) {
        if (method.suits && !method.suits(net.graph)) continue;
        if (method.name === 'cam' && net.name !== 'toy_vgg') continue;
        const options = { options: { batch: 32 } };
        const x = placeholder([1, 3, 112, 112]);
        const plan = planExplain(net, x, { method, ...('batch' in method.options && options) });
        expect(plan.dispatches, `${method.name} of ${net.name}`).toBeGreaterThan(0);
      }
    }
  });

  test('values stored otherwise are not mistaken', () => {
    const r = new Recorder({ ...testCaps, features: new Set(['shader-f16']) });
    const x = placeholder([4]);
    expect(() => r.storing('f16', () => r.k(relu, { x }))).toThrow(
      'relu: x [4] is stored as f32, should be f16: see Recorder.storing',
    );
    const half = r.storing('f16', () => r.constant(Float32Array.of(1, -2, 3)));
    expect([half.dtype, half.byteLength]).toEqual(['f16', 6]);
    expect(() => r.k(relu, { x: half })).toThrow('should be f32');
    expect(() => r.k(relu, { x: placeholder([3]) }, {}, { into: half })).toThrow('should be f32');
    expect(r.storage).toBe('f32');
  });

  test('weights that 16 bits do not hold', async () => {
    const source: ParamSource = { shape: [2], read: () => Float32Array.of(1, -65520) };
    const params = new Params(await testGpu(), new Map([['a.weight', source]]), 'f16');
    expect(() => params.tensor('a.weight')).toThrow(
      'a.weight: has an element -65520, 16-bit storage ends at 65504: load the network with storage f32',
    );
    expect(params.bytes).toBe(0);
  });
});

// Dawn's null backend has shader-f16 wherever the tests run; it compiles everything and runs nothing.
describe('every dispatch compiles', () => {
  const dawn = create(['backend=null']);
  let gpu: Gpu;
  beforeAll(async () => {
    const adapter = (await dawn.requestAdapter())!;
    const requiredFeatures = [...adapter.features] as GPUFeatureName[];
    gpu = Gpu.adopt(await adapter.requestDevice({ requiredFeatures }));
  });
  afterAll(() => {
    gpu.device.destroy();
    void dawn; // kept alive for as long as the device
  });

  const prepared = async ({ steps }: RunPlan) => {
    expect(steps.filter(({ code }) => code.includes('enable f16')).length).toBeGreaterThan(5);
    await gpu.prepare(steps);
  };

  for (const kind of ['gpu', 'software'] as const) {
    for (const name of ['toy_vgg', 'toy_vit', 'alexnet', 'vgg16', 'vit_b_16']) {
      test(`${name} on a ${kind} adapter`, async () => {
        const caps = { ...capsOf(gpu.device, undefined), kind };
        const [, net] = both(name);
        for (const batch of [1, 8]) await prepared(net.plan(batch, { caps }));
        if (!name.startsWith('toy')) return;
        await prepared(net.plan(2, { caps, backwardTo: ['input'] }));
        await prepared(net.plan(1, { caps, backwardTo: ['input'], rules: guided }));
      });
    }
  }
});

/** Convolutions of 3 x 3, wide enough for Winograd's tiles on a GPU. */
const threes: Architecture = {
  ...{ name: 'threes', paper: '', classes: 4, head: 'fc', defaultLayer: 'features.5' },
  ...{ preprocessing: imagenetPreprocessing, minInput: 96 },
  build: (classes) => {
    const g = new Graph();
    const maps = g.sequential('features', 'input', [
      Conv2d(3, 32, 3, { pad: 1 }),
      ReLU,
      Conv2d(32, 32, 3, { pad: 1 }),
      ReLU,
      Conv2d(32, 64, 3, { pad: 1 }),
      ReLU,
      MaxPool2d(2, 2),
    ]);
    const pooled = g.add('avgpool', [maps], AdaptiveAvgPool2d([1, 1]));
    g.add('fc', [g.add('flatten', [pooled], Flatten)], Linear(64, classes));
    return g;
  },
};

const toyWeights = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../models/${name}.safetensors`, import.meta.url)));

/** A dog and a cat. */
function picture(gpu: Gpu): Photo {
  const { rgb, size } = severalPets(0);
  const rgba = new Uint8Array(4 * size * size).fill(255);
  for (let i = 0; i < size * size; i++) rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
  return Photo.fromRgba(gpu, { width: size, height: size, rgba });
}

/** The share of a number that storing it in 16 bits may change: 11 significant bits. */
const rounding = 2 ** -11;

/** Every parameter 2^-11 of itself larger or smaller, by chance. */
function jolted(sources: ReadonlyMap<string, ParamSource>, seed: number): Map<string, ParamSource> {
  return new Map(
    [...sources].map(([name, { shape, read }], i) => {
      const sign = random(shape, 97 * seed + i).data;
      const jolt = (v: number, j: number) => v * (1 + Math.sign(sign[j]) * rounding);
      return [name, { shape, read: () => read().map(jolt) }];
    }),
  );
}

const maps = ['grad-cam', 'score-cam'];

/** Logits, and maps by method. */
async function answers(net: Net, photo: Photo): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for (const method of [...maps, 'gradient']) {
    const result = await explain(net, photo, {
      method,
      options: method === 'score-cam' ? { batch: 32 } : {},
    });
    const [map, logits] = (await net.gpu!.read([result.map, result.logits])) as Float32Array[];
    found.set(method, map).set('logits', logits);
    result.destroy();
  }
  return found;
}

const largest = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i])), 0);

/** Pearson's. */
function correlation(a: Float32Array, b: Float32Array): number {
  const mean = (x: Float32Array) => x.reduce((s, v) => s + v, 0) / x.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) ** 2;
    bb += (b[i] - mb) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

/*
 * What 16 bits may change is derived from the network, not fitted: storing a number rounds it by up to 2^-11 of itself, 0.4 of that in the mean.
 * The f32 network with every weight moved by a full 2^-11 tells what such changes do to its answers, cancellation included. A 16-bit pass rounds
 * weights, what lies between layers, and gradients: three times as many changes of 0.4 the size, independent of each other, so sqrt(3) x 0.4 = 0.7 of what
 * moved weights do. Activations' roundings are not weights', and one draw is not the mean: the bound is twice the largest of three draws.
 */
describe.skipIf(!testCaps.features.has('shader-f16'))('beside 32 bits', () => {
  for (const name of toys) {
    test(`${name}: logits and maps`, { timeout: 600_000 }, async () => {
      const gpu = await testGpu();
      const weights = parseWeights(toyWeights(name));
      const wide = Net.load(gpu, name, weights);
      const half = Net.load(gpu, name, weights, { storage: 'f16' });
      const photo = picture(gpu);
      const expected = await answers(wide, photo);
      const got = await answers(half, photo);
      const bounds = new Map<string, number>();
      const reach = (what: string, v: number) =>
        bounds.set(what, Math.max(bounds.get(what) ?? 0, 2 * v));
      for (const seed of [1, 2, 3]) {
        const net = Net.from(gpu, wide.architecture, jolted(wide.params!.sources, seed), {
          classes: wide.classes,
        });
        for (const [what, values] of await answers(net, photo)) {
          const by = what === 'logits' ? relativeL2 : largest;
          reach(what, by(values, expected.get(what)!));
        }
        net.destroy();
      }
      expect(half.params!.bytes * 2).toBeLessThanOrEqual(wide.params!.bytes);
      const logits = relativeL2(got.get('logits')!, expected.get('logits')!);
      expect(logits).toBeGreaterThan(0);
      expect(logits).toBeLessThan(bounds.get('logits')!);
      expect(logits).toBeLessThan(5e-3);
      for (const method of maps) {
        const [a, b] = [got.get(method)!, expected.get(method)!];
        expect(largest(a, b), method).toBeLessThan(bounds.get(method)!);
        expect(correlation(a, b), method).toBeGreaterThan(0.999);
      }
      // Gradients of pixels jump where a ReLU or the maximum of a window changes sides, be it by the last bit: no bound follows from roundings.
      const [a, b] = [got.get('gradient')!, expected.get('gradient')!];
      expect(correlation(a, b)).toBeGreaterThan(0.99);
      for (const net of [wide, half]) net.destroy();
      photo.destroy();
    });
  }

  test('as recorded for GPUs, 3 x 3 convolutions by Winograd in one dispatch, forward and back', async () => {
    const gpu = await testGpu();
    const caps = gpuCaps(gpu.caps);
    const x = random([2, 3, 96, 96], 6);
    const dy = random([2, 4], 7).data;
    const answer = async (storage: Storage, on: Caps) => {
      const net = Net.from(gpu, threes, hashWeights(threes.build(4), 3), { storage });
      const r = new Recorder(on, gpu);
      const trace = net.trace(r, r.constant(x.data, x.shape), { backwardTo: ['features.1'] });
      const seed = r.constant(dy, [2, 4]);
      const gradients = trace.backward(net.graph.output, seed, ['features.1']);
      const outputs = [trace.output, gradients.get('features.1')!];
      const { steps } = r.plan(outputs);
      const tensors = await r.run(outputs);
      const values = (await gpu.read(tensors)) as Float32Array[];
      for (const t of tensors) t.destroy();
      net.destroy();
      return { values, tiled: steps.filter(({ kernel }) => kernel === 'winogradFused').length };
    };
    const wide = await answer('f32', gpu.caps);
    const half = await answer('f16', caps);
    // Two forward, the second with its pool, and two back.
    expect([wide.tiled, half.tiled]).toEqual([0, 4]);
    expect(relativeL2(half.values[0], wide.values[0])).toBeLessThan(2e-3);
    expect(correlation(half.values[1], wide.values[1])).toBeGreaterThan(0.99);
  });

  test('a small seed gives the same gradient, smaller: powers of two change no digit', async () => {
    const gpu = await testGpu();
    const net = Net.load(gpu, 'toy_vgg', toyWeights('toy_vgg'), { storage: 'f16' });
    const x = random([2, 3, 32, 32], 4);
    const gradients = async (scale: readonly number[]) => {
      const r = Recorder.on(gpu);
      const trace = net.trace(r, r.constant(x.data, x.shape), { backwardTo: ['input'] });
      const dy = random([2, 8], 5).data.map((v, i) => v * scale[i >> 3]);
      const seed = r.constant(dy, [2, 8]);
      const [tensor] = await r.run([
        trace.backward(net.graph.output, seed, ['input']).get('input')!,
      ]);
      const values = await tensor.read();
      tensor.destroy();
      return values;
    };
    const plain = await gradients([1, 1]);
    // By itself 2^-60 is 0 in 16 bits, and 2^40 infinite.
    const scaled = await gradients([2 ** -60, 2 ** 40]);
    const perImage = plain.length / 2;
    expect(plain.some((v) => v !== 0)).toBe(true);
    expect(scaled).toEqual(plain.map((v, i) => v * (i < perImage ? 2 ** -60 : 2 ** 40)));
    net.destroy();
  });

  test('parts that are read without widening: one odd count, weights of any shape', async () => {
    const gpu = await testGpu();
    const values = Float32Array.of(0.5, -3, 1024.25, 1 / 3, 6e-5);
    const tensor = gpu.tensor(values, [5], 'odd', 'f16');
    expect(tensor.byteLength).toBe(10);
    const back = await tensor.read();
    expect([...back.slice(0, 3)]).toEqual([0.5, -3, 1024]);
    expect(relativeL2(back, values)).toBeLessThan(rounding);
    tensor.destroy();
    const net = Net.from(
      gpu,
      both('toy_vgg')[0].architecture,
      hashWeights(both('toy_vgg')[0].graph, 3),
      {
        storage: 'f16',
      },
    );
    expect(net.layers()).toEqual(both('toy_vgg')[0].layers());
    net.destroy();
  });
});
