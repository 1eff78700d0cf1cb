import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../src/cam/explain.js';
import { type FusePart, fuse } from '../../src/cam/fuse.js';
import { gradCam } from '../../src/cam/grad-cam.js';
import type { Method } from '../../src/cam/method.js';
import { methodNamed } from '../../src/cam/registry.js';
import { rise } from '../../src/cam/rise.js';
import { scoreCam } from '../../src/cam/score-cam.js';
import { slidingWindow } from '../../src/cam/sliding-window.js';
import { smooth } from '../../src/cam/smooth.js';
import {
  classTarget,
  probabilityTarget,
  type Target,
  weightedTarget,
} from '../../src/cam/target.js';
import { LayerError } from '../../src/errors.js';
import { addNoise, noiseOf } from '../../src/kernels/add-noise.js';
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
import type { Net } from '../../src/net/net.js';
import {
  argmax,
  explained,
  type Image,
  logitsOf,
  mapOf,
  ownNet,
  smallLayer,
  smallNet,
  softmax,
} from '../support/black-box.js';
import { runKernel, testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { enlarge } from '../support/reference-cams.js';
import { idealLowPass } from '../support/reference-fft.js';

const { gpu } = useGpu();

const [H, W] = [20, 28];
const layer = smallLayer;
const batch = { batch: 10 };
const x = random([1, 3, H, W], 51);
let net: Net;

beforeAll(async () => {
  net = smallNet(await testGpu());
});
afterAll(() => net.destroy());

const run = (method: Method | string, options = {}, input: Image = x, classId = 2) =>
  explained(net, input, { method, layer, target: classTarget(classId), options });

/** A class of which a method shows something. */
async function shownBy(method: string, options = {}): Promise<number> {
  for (let classId = 0; classId < net.classes; classId++) {
    if ((await run(method, options, x, classId)).map.some((v) => v > 0)) return classId;
  }
  return expect.fail(`${method} shows nothing of any class`);
}

/** Pixels [top, left] of the corners of all windows that lie inside. */
function windowsOf(side: number, stride: number): (readonly [number, number])[] {
  const along = (length: number) =>
    Array.from({ length: Math.floor((length - side) / stride) + 1 }, (_, i) => i * stride);
  return along(H).flatMap((top) => along(W).map((left) => [top, left] as const));
}

/** A window cut out and resized to the input's size. */
function cut({ data }: Image, [top, left]: readonly [number, number], side: number): Image {
  const planes = [0, 1, 2].flatMap((c) => {
    const plane = mapOf(data, c, H * W);
    const inside = Array.from(
      { length: side * side },
      (_, i) => plane[(top + Math.floor(i / side)) * W + left + (i % side)],
    );
    return [...enlarge(inside, [side, side], [H, W])];
  });
  return { shape: [1, 3, H, W], data: Float32Array.from(planes) };
}

/** S_0 + the windows' maps at their places, by methods.md: each window an input of its own. */
async function placed(
  method: string,
  image: Image,
  {
    side,
    stride,
    classId = 2,
    options = {},
  }: {
    side: number;
    stride: number;
    classId?: number;
    options?: object;
  },
): Promise<Float64Array> {
  const sum = Float64Array.from((await run(method, options, image, classId)).map);
  for (const [top, left] of windowsOf(side, stride)) {
    const { map, logits } = await run(method, options, cut(image, [top, left], side), classId);
    const a = softmax(logits)[classId];
    const small = enlarge(map, [H, W], [side, side]);
    for (const [i, v] of small.entries()) {
      sum[(top + Math.floor(i / side)) * W + left + (i % side)] += a * v;
    }
  }
  expect(new Set(sum).size, 'a map that says nothing').toBeGreaterThan(10);
  return sum;
}

/** An image that some window is taken for another class of, and the class that it is taken for itself. */
async function mixed(side: number, stride: number): Promise<{ image: Image; classId: number }> {
  for (let seed = 1; seed < 200; seed++) {
    const image = random([1, 3, H, W], seed);
    const classId = argmax((await logitsOf(net, image))[0]);
    for (const at of windowsOf(side, stride)) {
      const [y] = await logitsOf(net, cut(image, at, side));
      if (argmax(y) !== classId) return { image, classId };
    }
  }
  return expect.fail('all windows of all images are taken for what the images are');
}

describe('slidingWindow', () => {
  const windows = { window: 12, stride: 8 };
  const grid = { side: 12, stride: 8 };

  test.each([
    ['grad-cam', {}],
    ['score-cam', batch],
    ['rise', { ...batch, masks: 10 }],
    ['gradient', {}],
  ])('%s is its definition, on an input that is not square', async (method, options) => {
    expect(windowsOf(12, 8).length).toBe(2 * 3);
    const sum = await placed(method, x, { ...grid, options });
    for (const cutoff of [4, 35]) {
      const wrapped = slidingWindow(methodNamed(method), windows);
      const { raw } = await run(wrapped, { ...options, cutoff });
      const want = idealLowPass(sum, [1, H, W], cutoff);
      expect(relativeL2(raw, want), `cutoff ${cutoff}`).toBeLessThan(1e-3);
    }
  });

  test('other windows: one only, one as large as the shorter side, side by side', async () => {
    for (const [side, stride] of [
      [20, 8],
      [20, 9],
      [7, 7],
      [13, 100],
    ]) {
      const { raw } = await run(slidingWindow(gradCam, { window: side, stride, cutoff: 0 }));
      const want = await placed('grad-cam', x, { side, stride });
      expect(relativeL2(raw, want), `${side}, ${stride}`).toBeLessThan(1e-3);
    }
  });

  test('windows and stride by default are 96 and 32 of 224, in proportion', async () => {
    const side = Math.round((96 * H) / 224);
    const stride = Math.round(side / 3);
    const byDefault = await run('enhanced-grad-cam');
    const given = await run('enhanced-grad-cam', { window: side, stride, cutoff: 35 });
    expect(given.raw).toEqual(byDefault.raw);
    const others = await run('enhanced-grad-cam', { window: side + 1, stride });
    expect(relativeL2(others.raw, byDefault.raw)).toBeGreaterThan(1e-2);
  });

  test('without the filter the seams are there, with it they are gone', async () => {
    const wrapped = slidingWindow(gradCam, windows);
    const seams = (await run(wrapped, { cutoff: 0 })).raw;
    const want = await placed('grad-cam', x, grid);
    expect(relativeL2(seams, want)).toBeLessThan(1e-3);
    const smoothed = (await run(wrapped, { cutoff: 3 })).raw;
    expect(relativeL2(idealLowPass(smoothed, [1, H, W], 3), smoothed)).toBeLessThan(1e-5);
    expect(relativeL2(idealLowPass(seams, [1, H, W], 3), seams)).toBeGreaterThan(0.05);
    // How far the map jumps from one column to the next where windows begin or end.
    const jumps = (map: Float32Array) => {
      const at = new Set(windowsOf(12, 8).flatMap(([, left]) => [left, left + 12]));
      return map.reduce((sum, v, i) => {
        const c = i % W;
        return c > 0 && at.has(c) ? sum + Math.abs(v - map[i - 1]) : sum;
      }, 0);
    };
    expect(jumps(seams)).toBeGreaterThan(1.5 * jumps(smoothed));
  });

  test('a cutoff beyond all frequencies is no filter', async () => {
    const wrapped = slidingWindow(gradCam, windows);
    const off = (await run(wrapped, { cutoff: 0 })).raw;
    const on = (await run(wrapped, { cutoff: 100_000 })).raw;
    expect(relativeL2(on, off)).toBeLessThan(1e-5);
  });

  test('the class predicted is that of the whole image, in every window', async () => {
    const { image, classId } = await mixed(12, 8);
    const method = slidingWindow(gradCam, { ...windows, cutoff: 0 });
    const { raw } = await explained(net, image, { method, layer });
    const want = await placed('grad-cam', image, { ...grid, classId });
    expect(relativeL2(raw, want)).toBeLessThan(1e-3);
    const probable = { method, layer, target: probabilityTarget() };
    const named = { ...probable, target: probabilityTarget(classId) };
    const both = [await explained(net, image, probable), await explained(net, image, named)];
    expect(relativeL2(both[0].raw, both[1].raw)).toBeLessThan(1e-6);
  });

  test('each image of a batch is explained for its own class, as alone', async () => {
    const { image, classId } = await mixed(12, 8);
    const both = { shape: [2, 3, H, W], data: new Float32Array(2 * x.data.length) };
    both.data.set(image.data);
    both.data.set(x.data, x.data.length);
    const other = argmax((await logitsOf(net, x))[0]);
    const masks = { ...batch, masks: 10 };
    const method = slidingWindow(rise, windows);
    const { raw } = await explained(net, both, { method, layer, options: masks });
    for (const [n, one] of [image, x].entries()) {
      const alone = await run(method, masks, one, [classId, other][n]);
      expect(relativeL2(mapOf(raw, n, H * W), alone.raw), `image ${n}`).toBeLessThan(1e-5);
    }
  });

  test.each([
    ['grad-cam', {}],
    ['rise', { masks: 10 }],
    ['gradient', {}],
  ])(
    '%s in batches of windows, as memory allows: the same map, and less of it',
    async (name, options) => {
      const { image, classId } = await mixed(12, 8);
      const both = { shape: [2, 3, H, W], data: new Float32Array(2 * x.data.length) };
      both.data.set(image.data);
      both.data.set(x.data, x.data.length);
      const settings = {
        ...{ method: slidingWindow(methodNamed(name), windows), layer, options },
        target: classTarget([classId, 2]),
      };
      const whole = await explained(net, both, { ...settings, memoryBytes: 1e9 });
      for (const memoryBytes of [0, 300_000]) {
        const parts = await explained(net, both, { ...settings, memoryBytes });
        expect(relativeL2(parts.raw, whole.raw), `${memoryBytes} bytes`).toBeLessThan(1e-5);
        expect(parts.plan.arenaBytes).toBeLessThan(whole.plan.arenaBytes);
        expect(parts.plan.dispatches).toBeGreaterThan(whole.plan.dispatches);
      }
    },
  );

  test('of windows in batches only those of the first are asked what a method demands', async () => {
    const batches: number[] = [];
    /** Demands that the first batch has `good`, and further ones 0. */
    const demanding = (good: number): Method => ({
      ...gradCam,
      name: 'demanding',
      record: (scene, options) => {
        const N = scene.input.shape[0];
        const value = new Float32Array(N).fill(batches.length === 0 ? good : 0);
        batches.push(N);
        scene.demand(scene.recorder.constant(value), (n) => new RangeError(`image ${n}`));
        return gradCam.record(scene, options);
      },
    });
    const method = (good: number) => slidingWindow(demanding(good), windows);
    const settings = { layer, target: classTarget(2), memoryBytes: 0 };
    await explained(net, x, { ...settings, method: method(1) });
    expect(batches).toEqual(Array(7).fill(1));
    batches.length = 0;
    await expect(explained(net, x, { ...settings, method: method(0) })).rejects.toThrow('image 0');
  });

  test('the finished map is the raw one stretched: what is negative stays apart', async () => {
    const { raw, map } = await run(slidingWindow(gradCam, { ...windows, cutoff: 3 }));
    const [least, largest] = [Math.min(...raw), Math.max(...raw)];
    const want = raw.map((v) => (v - least) / (largest - least));
    expect(relativeL2(map, want)).toBeLessThan(1e-5);
  });

  test('what does not fit is refused, and leaves nothing behind', async () => {
    const input = gpu().tensor(x.data, x.shape);
    const before = gpu().liveBytes;
    const refused = (options: Record<string, unknown>) =>
      expect(explain(net, input, { method: 'enhanced-grad-cam', layer, options })).rejects;
    await refused({ window: 21 }).toThrow(
      new LayerError('sliding window: a window of 21 pixels should fit into the input of 20 x 28'),
    );
    await refused({ stride: -1 }).toThrow(LayerError);
    await refused({ window: 2.5 }).toThrow(LayerError);
    await refused({ cutoff: -1 }).toThrow(LayerError);
    await refused({ groups: 3 }).toThrow(/no option groups/);
    expect(gpu().liveBytes).toBe(before);
    input.destroy();
  });
});

describe('options of a wrapped method', () => {
  test('each wrapper has its own, however often it is put on', async () => {
    const names = (name: string) => Object.keys(methodNamed(name).options);
    for (const inner of ['enhanced-occlusion', 'smooth-lime', 'enhanced-grad-cam']) {
      for (const [prefix, own] of [
        ['enhanced', 3],
        ['smooth', 3],
      ] as const) {
        const all = names(`${prefix}-${inner}`);
        expect(all.slice(0, -own), `${prefix}-${inner}`).toEqual(names(inner));
      }
    }
    let copies = 0;
    const counting: Method = {
      ...gradCam,
      options: { samples: { default: 7, about: '' } },
      record: (scene, options) => {
        expect(options).toEqual({ samples: 7 });
        copies++;
        return gradCam.record(scene, options);
      },
    };
    await run(smooth(smooth(counting)), { noiseSamples: 2, noiseNoiseSamples: 3 });
    expect(copies).toBe(2 * 3);
  });

  test("occlusion's squares and their stride are its own, whatever the windows'", async () => {
    const inner = { size: 8, ...batch };
    const classId = await shownBy('occlusion', inner);
    const given = { ...inner, window: 18, cutoff: 0 };
    const { raw } = await run('enhanced-occlusion', given, x, classId);
    // Windows a third of a side apart, squares half a side: 6 and 4 pixels.
    const want = await placed('occlusion', x, { side: 18, stride: 6, classId, options: inner });
    expect(relativeL2(raw, want)).toBeLessThan(1e-3);
  });

  test.each(['lime', 'kernel-shap'])("%s's samples are not the noise's", async (name) => {
    const method = methodNamed(`smooth-${name}`);
    expect(method.options.samples.default).toBe(methodNamed(name).options.samples.default);
    const inner = { segments: 6, samples: 40, seed: 'own', ...batch };
    const { raw } = await run(method, { ...inner, noise: 0, noiseSamples: 2 });
    expect(relativeL2(raw, (await run(name, inner)).raw)).toBeLessThan(1e-5);
  });
});

describe('fuse', () => {
  /** sum of weight_i map_i. */
  const sumOf = (parts: readonly [number, Float32Array][]) =>
    Float64Array.from(parts[0][1], (_, i) => parts.reduce((sum, [w, map]) => sum + w * map[i], 0));

  test('of two methods, one without a layer, is the weighted sum of their maps', async () => {
    const masks = { masks: 10, ...batch };
    const method = fuse('both', [
      { method: gradCam, weight: 0.7 },
      { method: rise, weight: 2, options: masks },
    ]);
    const { raw, map } = await run(method);
    const want = sumOf([
      [0.7, (await run(gradCam)).map],
      [2, (await run(rise, masks)).map],
    ]);
    expect(relativeL2(raw, want)).toBeLessThan(1e-5);
    const [least, largest] = [Math.min(...want), Math.max(...want)];
    expect(
      relativeL2(
        map,
        want.map((v) => (v - least) / (largest - least)),
      ),
    ).toBeLessThan(1e-5);
  });

  test('of two classes, and of other layers, convolutions and poolings among them', async () => {
    const layerCam = methodNamed('layer-cam');
    const scored = await shownBy('score-cam', batch);
    const parts = [
      { method: layerCam, target: classTarget(4) },
      { method: layerCam, target: probabilityTarget(1), weight: -0.5 },
      { method: scoreCam, target: classTarget(scored), weight: 0.25, options: batch },
      { method: layerCam, layer: 'features.3', weight: 0.5 },
      { method: layerCam, layer: 'features.2', weight: 3 },
      { method: layerCam, layer: 'features.0', target: classTarget(5) },
    ];
    const maps: [number, Float32Array][] = [];
    for (const part of parts) {
      const own = await explained(net, x, {
        method: part.method,
        layer: part.layer ?? layer,
        target: part.target ?? classTarget(2),
        options: part.options ?? {},
      });
      expect(
        own.map.some((v) => v > 0),
        JSON.stringify(part.weight),
      ).toBe(true);
      maps.push([part.weight ?? 1, own.map]);
    }
    const { raw } = await run(fuse('all', parts));
    expect(relativeL2(raw, sumOf(maps))).toBeLessThan(1e-5);
  });

  test('of a convolution and of what its batch norm is merged with, whatever comes first', async () => {
    const normed = ownNet(gpu(), (classes) => {
      const g = new Graph();
      const maps = g.sequential('features', 'input', [
        Conv2d(3, 8, 3, { pad: 1 }),
        BatchNorm2d(8),
        ReLU,
        MaxPool2d(2, 2),
        Conv2d(8, 12, 3, { pad: 1 }),
        BatchNorm2d(12),
        ReLU,
      ]);
      const mean = g.add('mean', [maps], AdaptiveAvgPool2d([2, 2]));
      g.add('head', [g.add('flat', [mean], Flatten)], Linear(48, classes));
      return g;
    });
    const target = classTarget(1);
    const layers = ['features.6', 'features.4', 'features.0'];
    const maps: [number, Float32Array][] = [];
    for (const at of layers) {
      const own = await explained(normed, x, { method: gradCam, layer: at, target });
      expect(new Set(own.map).size, at).toBeGreaterThan(10);
      maps.push([1, own.map]);
    }
    maps.push([0.5, (await explained(normed, x, { method: 'lrp', target })).map]);
    maps[3][1] = maps[3][1].map((v) => 2 * v - 1);
    const parts: FusePart[] = [
      ...layers.map((at) => ({ method: gradCam, layer: at })),
      { method: methodNamed('lrp'), weight: 0.5 },
    ];
    // Methods of one's own that ask about other layers cannot announce them.
    const unannounced = (order: readonly FusePart[]): Method => ({
      ...fuse('all', order),
      taps: () => [],
    });
    for (const method of [
      fuse('all', parts),
      unannounced(parts),
      unannounced([...parts].reverse()),
    ]) {
      const { raw } = await explained(normed, x, { method, layer: 'features.6', target });
      expect(relativeL2(raw, sumOf(maps))).toBeLessThan(1e-5);
    }
    normed.destroy();
  });

  test('under a profile: its options, at the size of the input whatever the layers', async () => {
    const eigenCam = methodNamed('eigen-cam');
    const layerCam = methodNamed('layer-cam');
    const parts = [{ method: eigenCam }, { method: layerCam, layer: 'features.1', weight: 2 }];
    const layers = [layer, 'features.1'];
    const target = classTarget(2);
    const profile = 'pytorch-grad-cam';
    const own = (method: Method) => explained(net, x, { method, layer, target, profile });
    const centred = await own(eigenCam);
    expect(relativeL2(centred.map, (await run(eigenCam)).map)).toBeGreaterThan(1e-2);
    expect(relativeL2((await own(fuse('one', [parts[0]]))).raw, centred.map)).toBeLessThan(1e-5);
    const given = fuse('one', [{ method: eigenCam, options: { centred: false } }]);
    expect(relativeL2((await own(given)).raw, (await run(eigenCam)).map)).toBeLessThan(1e-5);

    const maps: [number, Float32Array][] = [];
    for (const [i, { method, weight = 1 }] of parts.entries()) {
      maps.push([weight, (await explained(net, x, { method, layer: layers[i], target })).map]);
    }
    const fused = { method: fuse('two', parts), layer, target };
    const { raw } = await explained(net, x, { ...fused, profile: 'torch-cam' });
    expect(relativeL2(raw, sumOf(maps))).toBeLessThan(1e-5);
  });

  test('of other targets, in windows and noise: classes are those of the image itself', async () => {
    const { image, classId } = await mixed(12, 8);
    const other = (classId + 1) % net.classes;
    const fused = (target: Target) => fuse('one', [{ method: gradCam, target }]);
    for (const wrap of [
      (method: Method) => slidingWindow(method, { window: 12, stride: 8, cutoff: 0 }),
      (method: Method) => slidingWindow(smooth(method, { samples: 2, noise: 4 }), { window: 12 }),
    ]) {
      const of = (target: Target, input: Image = image) =>
        run(wrap(fused(target)), {}, input, other);
      const named = await of(classTarget(classId));
      expect(relativeL2((await of(classTarget())).raw, named.raw)).toBeLessThan(1e-6);
      expect(relativeL2((await of(classTarget(other))).raw, named.raw)).toBeGreaterThan(1e-2);

      const both = { shape: [2, 3, H, W], data: new Float32Array(2 * x.data.length) };
      both.data.set(image.data);
      both.data.set(image.data, x.data.length);
      const { raw } = await of(classTarget([other, classId]), both);
      expect(relativeL2(mapOf(raw, 1, H * W), named.raw)).toBeLessThan(1e-5);
    }
  });

  test('a target of several classes is all of them', async () => {
    const target = weightedTarget([
      { choice: 1, weight: 1 },
      { choice: 4, weight: 2 },
    ]);
    const whole = await explained(net, x, { method: gradCam, layer, target });
    const { raw } = await run(fuse('two', [{ method: gradCam, target }]));
    expect(relativeL2(raw, whole.map)).toBeLessThan(1e-5);
  });

  test('of windows and noise: wrappers fit into each other', async () => {
    const windows = slidingWindow(gradCam, { window: 12, stride: 8 });
    const method = fuse('both', [{ method: windows }, { method: gradCam, weight: 2 }]);
    const want = sumOf([
      [1, (await run(windows)).map],
      [2, (await run(gradCam)).map],
    ]);
    expect(relativeL2((await run(method)).raw, want)).toBeLessThan(1e-5);
    const { raw } = await run(slidingWindow(smooth(gradCam), { window: 12, stride: 8 }), {
      noise: 0,
    });
    const plain = await run(windows);
    expect(relativeL2(raw, plain.raw)).toBeLessThan(1e-4);
  });

  test('says what does not fit', () => {
    expect(() => fuse('none', [])).toThrow(LayerError);
    expect(() => fuse('odd', [{ method: gradCam, weight: Number.NaN }])).toThrow(
      'weight of grad-cam is NaN',
    );
    expect(() => fuse('odd', [{ method: gradCam, options: { masks: 3 } }])).toThrow(/no option/);
  });
});

describe('smooth', () => {
  /** An image with the noise of a copy. */
  const noisy = async (copy: number, sigma: number, seed = 'noise'): Promise<Image> => ({
    shape: x.shape,
    data: (
      await runKernel(gpu(), addNoise, {
        x,
        noise: { shape: [2], data: noiseOf(`${seed}:${copy}`, sigma) },
      })
    ).y as Float32Array,
  });

  test.each([
    ['grad-cam', {}],
    ['score-cam', batch],
  ])('%s without noise is the method itself, with it the mean', async (name, options) => {
    const plain = await run(name, options);
    const method = methodNamed(`smooth-${name}`);
    const still = await run(method, { ...options, noise: 0, samples: 2 });
    expect(relativeL2(still.raw, plain.raw)).toBeLessThan(1e-6);
    expect(relativeL2(still.map, plain.map)).toBeLessThan(1e-5);

    const moved = await run(method, { ...options, noise: 0.8, samples: 2, noiseSeed: 's' });
    const copies = [
      await run(name, options, await noisy(0, 0.8, 's')),
      await run(name, options, await noisy(1, 0.8, 's')),
    ];
    const want = copies[0].raw.map((v, i) => (v + copies[1].raw[i]) / 2);
    expect(relativeL2(moved.raw, want)).toBeLessThan(1e-5);
    expect(relativeL2(moved.raw, plain.raw)).toBeGreaterThan(1e-2);
    expect(moved.logits, 'of the image itself').toEqual(plain.logits);
  });

  /** An image that is mostly of one colour. */
  function tinted(seed: number): Image {
    const image = random([1, 3, H, W], seed);
    const colour = random([3], seed).data;
    for (let i = 0; i < image.data.length; i++) {
      image.data[i] = 0.2 * image.data[i] + 3 * colour[Math.floor(i / (H * W))];
    }
    return image;
  }

  test.each([
    ['grad-cam', { samples: 1, noise: 0.8 }],
    ['smoothgrad', { copies: 1, sigma: 0.8 }],
    ['vargrad', { copies: 2, sigma: 0.8 }],
    ['ss-cam', { copies: 1, sigma: 0.8, ...batch }],
    ['smooth-grad-cam++', { copies: 1, sigma: 0.8 }],
  ])('noise within noise is other noise: %s', async (name, options) => {
    const inner = name === 'grad-cam' ? smooth(gradCam) : methodNamed(name);
    const outer = name === 'grad-cam' ? ['noiseSamples', 'noiseNoise'] : ['samples', 'noise'];
    const once = { ...options, [outer[0]]: 1, [outer[1]]: 0.8 };
    // An early layer, whose gradients depend on the image.
    const at = (method: Method, options: object, image = x) =>
      explained(net, image, {
        ...{ method, layer: 'features.1', target: classTarget(2) },
        options: { ...options },
      });
    const { raw } = await at(smooth(inner), once);
    // That of the image with the same noise already: twice the same.
    const doubled = await at(inner, options, await noisy(0, 0.8));
    expect(relativeL2(raw, doubled.raw)).toBeGreaterThan(1e-2);
    expect((await at(smooth(inner), once)).raw).toEqual(raw);
    if (name === 'smoothgrad') {
      // It is told apart by the name of the noise that is there already.
      const apart = { ...options, seed: 'noise:0/noise' };
      const want = await at(inner, apart, await noisy(0, 0.8));
      expect(relativeL2(raw, want.raw)).toBeLessThan(1e-5);
    }
  });

  test('the class predicted is that of the image without noise', async () => {
    const sigma = 4;
    let classId = -1;
    let image = x;
    for (let seed = 1; seed < 100 && classId < 0; seed++) {
      image = tinted(seed);
      const clean = argmax((await logitsOf(net, image))[0]);
      const noise = await noisy(0, sigma);
      const data = image.data.map((v, i) => v + noise.data[i] - x.data[i]);
      if (argmax((await logitsOf(net, { shape: x.shape, data }))[0]) !== clean) classId = clean;
    }
    expect(classId).toBeGreaterThanOrEqual(0);
    const options = { samples: 1, noise: sigma };
    const method = smooth(gradCam);
    const predicted = await explained(net, image, { method, layer, options });
    const named = await run(method, options, image, classId);
    expect(relativeL2(predicted.raw, named.raw)).toBeLessThan(1e-6);
  });
});

describe('names', () => {
  test('a wrapper is told by its prefix, also of another wrapper', async () => {
    const method = methodNamed('enhanced-smooth-grad-cam');
    expect(method.name).toBe('enhanced-smooth-grad-cam');
    expect(Object.keys(method.options)).toEqual(
      expect.arrayContaining(['samples', 'noise', 'window', 'stride', 'cutoff']),
    );
    expect(methodNamed('enhanced-rise').passes).toBe('many');
    expect(methodNamed('smooth-grad-cam').passes).toBe('several');
    expect(methodNamed('smooth-grad-cam++').name).toBe('smooth-grad-cam++');
    expect(() => methodNamed('enhanced-grad-can')).toThrow(/no method .*grad-cam/);
    const own = await run('enhanced-grad-cam', { cutoff: 4 });
    const wrapped = await run(slidingWindow(gradCam), { cutoff: 4 });
    expect(own.raw).toEqual(wrapped.raw);
  });

  test('MSG-CAM runs in windows', async () => {
    const options = { keep: 'all', steps: 2, groups: 5, window: 16, stride: 8, ...batch };
    const { raw } = await run('enhanced-msg-cam', { ...options, cutoff: 0 });
    const inner = { keep: 'all', steps: 2, groups: 5, ...batch };
    const want = await placed('msg-cam', x, { side: 16, stride: 8, options: inner });
    expect(relativeL2(raw, want)).toBeLessThan(1e-3);
  });
});
