import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explain, planExplain } from '../../src/cam/explain.js';
import { fuse } from '../../src/cam/fuse.js';
import type { Method } from '../../src/cam/method.js';
import { methods } from '../../src/cam/registry.js';
import { slidingWindow } from '../../src/cam/sliding-window.js';
import {
  classTarget,
  cosineTarget,
  linearTarget,
  probabilityTarget,
  weightedTarget,
} from '../../src/cam/target.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import { colormapTable } from '../../src/image/colormap.js';
import { Photo, paintOverlay, readPainting } from '../../src/image/photo.js';
import { Net } from '../../src/net/net.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { handOut, ownMethod } from '../support/own-method.js';
import { quickOptions } from '../support/quick-options.js';
import * as reference from '../support/reference-cams.js';
import { resizeBilinear } from '../support/reference-resize.js';

useGpu();

let net: Net;
const size = [48, 40] as const;
const batch = random([2, 3, ...size], 3);
const one = random([1, 3, ...size], 3);

beforeAll(async () => {
  const bytes = readFileSync(new URL('../../models/toy_vgg.safetensors', import.meta.url));
  net = Net.load(await testGpu(), undefined, bytes);
});
afterAll(() => net.destroy());

const upload = (a: { shape: readonly number[]; data: Float32Array }) =>
  net.gpu!.tensor(a.data, a.shape);

async function mapsOf(x: typeof one, options: Parameters<typeof explain>[2]) {
  const input = upload(x);
  const result = await explain(net, input, options);
  const [map, raw] = (await net.gpu!.read([result.map, result.raw])) as Float32Array[];
  const summaries = await result.summaries();
  const shapes = { map: result.map.shape, raw: result.raw.shape };
  const { plan } = result;
  result.destroy();
  input.destroy();
  return { map, raw, summaries, shapes, plan };
}

// Those for transformers only are in transformer.test.ts.
describe.each([...methods.values()].filter(({ suits }) => !suits))('$name', (method) => {
  const options = quickOptions[method.name] ?? {};

  const asked = { method, options, target: classTarget([1, 2]) };
  let all: Awaited<ReturnType<typeof mapsOf>>;
  /** The network's own buffers: it uploads its weights when they are first needed. */
  let resident: number;

  beforeAll(async () => {
    all = await mapsOf(batch, asked);
    resident = net.gpu!.liveBytes;
  });

  test('shape, range, finite, deterministic, and no buffers left behind', async () => {
    expect(all.map.length).toBe(2 * size[0] * size[1]);
    for (const v of all.map) if (!(v >= 0 && v <= 1)) expect.fail(`map holds ${v}`);
    const again = await mapsOf(batch, asked);
    expect(again.map).toEqual(all.map);
    expect(again.raw).toEqual(all.raw);
    expect(net.gpu!.liveBytes).toBe(resident);
  });

  test('each image of a batch gets the map it gets alone', async () => {
    const second = batch.data.slice(batch.data.length / 2);
    const alone = await mapsOf(
      { shape: one.shape, data: second },
      { ...asked, target: classTarget(2) },
    );
    expect(relativeL2(all.raw.subarray(all.raw.length / 2), alone.raw)).toBeLessThan(1e-5);
  });

  test('a constant image gives no NaN, and a blank map says why', async () => {
    const grey = { shape: one.shape, data: new Float32Array(one.data.length) };
    const { map, summaries } = await mapsOf(grey, { method, options });
    expect(map.every((v) => Number.isFinite(v))).toBe(true);
    if (map.every((v) => v === 0)) expect(summaries[0].warnings.length).toBe(1);
  });

  test('its plan tells what it took', () => {
    const plan = planExplain(net, placeholder(batch.shape), asked);
    expect(plan.dispatches).toBe(all.plan.dispatches);
    expect(plan.arenaBytes).toBe(all.plan.arenaBytes);
  });
});

describe('formulas', () => {
  const formulas = {
    'grad-cam': reference.gradCam,
    'grad-cam++': (m: reference.Maps) => reference.gradCamPlusPlus(m),
    'xgrad-cam': reference.xGradCam,
    'hires-cam': reference.hiResCam,
    'layer-cam': reference.layerCam,
    'eigen-cam': reference.eigenCam,
  };
  for (const layer of ['features.14', 'features.5']) {
    test.each(Object.keys(formulas))(`%s at ${layer} is its formula in float64`, async (name) => {
      const options = { layer, target: classTarget(1) };
      const { raw: A, shapes } = await mapsOf(one, { ...options, method: handOut('A') });
      const { raw: G } = await mapsOf(one, { ...options, method: handOut('G') });
      const got = await mapsOf(one, { ...options, method: name });
      const [, h, w] = got.shapes.raw;
      const maps = { A, G, size: h * w, K: A.length / (h * w) };
      expect(shapes.raw[2]).toBe(w);
      const raw = formulas[name as keyof typeof formulas](maps);
      expect(relativeL2(got.raw, raw)).toBeLessThan(name === 'eigen-cam' ? 1e-4 : 2e-5);
      expect(relativeL2(got.map, reference.finish(raw, [h, w], size))).toBeLessThan(1e-4);
    });
  }

  test.each(['stabilised', 'torch-cam'] as const)('grad-cam++ with form %s', async (form) => {
    const options = { layer: 'features.9', target: classTarget(1) };
    const { raw: A } = await mapsOf(one, { ...options, method: handOut('A') });
    const { raw: G } = await mapsOf(one, { ...options, method: handOut('G') });
    const got = await mapsOf(one, { ...options, method: 'grad-cam++', options: { form } });
    const size = got.raw.length;
    const raw = reference.gradCamPlusPlus({ A, G, size, K: A.length / size }, form);
    // torch-cam's denominator cancels: its condition number is in the hundreds.
    expect(relativeL2(got.raw, raw)).toBeLessThan(form === 'torch-cam' ? 1e-3 : 2e-5);
  });

  test('Grad-CAM behind global average pooling is CAM up to the number of pixels', async () => {
    const target = classTarget(0);
    const gradCam = await mapsOf(one, { method: 'grad-cam', target });
    const cam = await mapsOf(one, { method: 'cam', target });
    const pixels = cam.raw.length;
    expect(
      relativeL2(
        gradCam.raw.map((v) => v * pixels),
        cam.raw,
      ),
    ).toBeLessThan(1e-5);
    expect(relativeL2(gradCam.map, cam.map)).toBeLessThan(1e-5);
  });

  test('HiResCAM is Grad-CAM where the gradient is constant in each map', async () => {
    const target = classTarget(3);
    const a = await mapsOf(one, { method: 'grad-cam', target });
    const b = await mapsOf(one, { method: 'hires-cam', target });
    expect(relativeL2(a.raw, b.raw)).toBeLessThan(1e-5);
  });

  test('XGrad-CAM: the map adds up to gradient times activation (conservation)', async () => {
    const options = { layer: 'features.9', target: classTarget(2) };
    const { raw: A } = await mapsOf(one, { ...options, method: handOut('A') });
    const { raw: G } = await mapsOf(one, { ...options, method: handOut('G') });
    const { raw } = await mapsOf(one, { ...options, method: 'xgrad-cam' });
    const sum = raw.reduce((a, b) => a + b, 0);
    const product = A.reduce((total, a, i) => total + a * G[i], 0);
    expect(Math.abs(sum - product)).toBeLessThan(1e-4 * Math.abs(product) + 1e-6);
  });

  test.each(['features.14', 'features.9'])('EigenCAM centred at %s', async (layer) => {
    const { raw: A } = await mapsOf(one, { layer, method: handOut('A') });
    const got = await mapsOf(one, { layer, method: 'eigen-cam', options: { centred: true } });
    const size = got.raw.length;
    const mean = Array.from({ length: A.length / size }, (_, k) =>
      A.subarray(k * size, (k + 1) * size).reduce((a, b) => a + b / size, 0),
    );
    const centred = Float64Array.from(A, (v, i) => v - mean[Math.floor(i / size)]);
    const raw = reference.eigenCam({ A: centred, G: centred, size, K: mean.length });
    expect(relativeL2(got.raw, raw)).toBeLessThan(1e-4);
  });

  test('Smooth Grad-CAM++ without noise is Grad-CAM++', async () => {
    const options = { layer: 'features.9', target: classTarget(1) };
    const plain = await mapsOf(one, { ...options, method: 'grad-cam++' });
    const smooth = (sigma: number) =>
      mapsOf(one, { ...options, method: 'smooth-grad-cam++', options: { copies: 3, sigma } });
    expect(relativeL2((await smooth(0)).raw, plain.raw)).toBeLessThan(2e-5);
    expect(relativeL2((await smooth(0.3)).raw, plain.raw)).toBeGreaterThan(1e-2);
  });

  test('the map of pixel gradients is the largest magnitude of the three colours', async () => {
    const { raw, map } = await mapsOf(one, { method: 'gradient', target: classTarget(1) });
    const pixels = map.length;
    const largest = map.map((_, i) =>
      Math.max(...[0, 1, 2].map((c) => Math.abs(raw[c * pixels + i]))),
    );
    expect(relativeL2(map, reference.finish(largest, size, size))).toBeLessThan(1e-5);
  });

  test('LayerCAM over several layers takes the larger of the scaled maps', async () => {
    const layer = ['features.9', 'features.14'];
    const options = { method: 'layer-cam', target: classTarget(1) };
    const large: Float64Array[] = [];
    for (const name of layer) {
      const { raw, shapes } = await mapsOf(one, { ...options, layer: name });
      const most = raw.reduce((a, b) => Math.max(a, b));
      const [, h, w] = shapes.raw;
      const scaled = raw.map((v) => Math.tanh((2 * Math.max(v, 0)) / most));
      large.push(resizeBilinear({ shape: [1, 1, h, w], data: scaled }, size, false).y);
    }
    const both = await mapsOf(one, { ...options, layer });
    expect(both.shapes.raw).toEqual([1, ...size]);
    expect(
      relativeL2(
        both.raw,
        large[0].map((v, i) => Math.max(v, large[1][i])),
      ),
    ).toBeLessThan(1e-5);
    const mean = await mapsOf(one, { ...options, layer, options: { fuse: 'mean' } });
    expect(
      relativeL2(
        mean.raw,
        large[0].map((v, i) => (v + large[1][i]) / 2),
      ),
    ).toBeLessThan(1e-5);
  });
});

describe('targets', () => {
  test('a probability is the softmax, its gradient that of the logits by the chain rule', async () => {
    const input = upload(one);
    const result = await explain(net, input, { target: probabilityTarget(2) });
    const [raw, logits, [score]] = (await net.gpu!.read([
      result.raw,
      result.logits,
      result.score,
    ])) as Float32Array[];
    result.destroy();
    input.destroy();
    const powers = Array.from(logits, (y) => Math.exp(y - logits[2]));
    const p = powers.map((v) => v / powers.reduce((a, b) => a + b));
    expect(Math.abs(score - p[2])).toBeLessThan(1e-5 * p[2]);
    const slopes = Float32Array.from(p, (v, c) => p[2] * (Number(c === 2) - v));
    const same = await mapsOf(one, { target: linearTarget(slopes) });
    expect(relativeL2(raw, same.raw)).toBeLessThan(1e-4);
  });

  test('a linear target is the same combination of the raw maps, for each image', async () => {
    const coefficients = new Float32Array(net.classes);
    coefficients[0] = 2;
    coefficients[1] = -1;
    const mixed = await mapsOf(batch, { target: linearTarget(coefficients) });
    const a = await mapsOf(batch, { target: classTarget(0) });
    const b = await mapsOf(batch, { target: classTarget(1) });
    const half = mixed.raw.length / 2;
    const want = a.raw.map((v, i) => 2 * v - b.raw[i]);
    for (const n of [0, 1]) {
      const of = (raw: Float32Array) => raw.subarray(n * half, (n + 1) * half);
      expect(relativeL2(of(mixed.raw), of(want))).toBeLessThan(1e-5);
      const score = 2 * a.summaries[n].score - b.summaries[n].score;
      expect(mixed.summaries[n].score).toBeCloseTo(score, 4);
    }
  });

  test('weighted classes add up finished maps', async () => {
    // At this layer neither class has a blank map, whose weight would not matter.
    const how = { method: 'hires-cam', layer: 'features.9' };
    const target = weightedTarget([
      { choice: 0, weight: 3 },
      { choice: 1, weight: 1 },
    ]);
    const fused = await mapsOf(one, { ...how, target });
    const a = await mapsOf(one, { ...how, target: classTarget(0) });
    const b = await mapsOf(one, { ...how, target: classTarget(1) });
    for (const { map } of [a, b]) expect(map.some((v) => v > 0)).toBe(true);
    const sum = a.map.map((v, i) => 3 * v + b.map[i]);
    const least = sum.reduce((x, y) => Math.min(x, y));
    const largest = sum.reduce((x, y) => Math.max(x, y));
    expect(
      relativeL2(
        fused.map,
        sum.map((v) => (v - least) / (largest - least)),
      ),
    ).toBeLessThan(1e-5);
  });

  test('the predicted class is what its index says', async () => {
    const top = await mapsOf(one, { target: classTarget({ top: 1 }) });
    const scores = await Promise.all(
      Array.from(
        { length: net.classes },
        async (_, c) => (await mapsOf(one, { target: classTarget(c) })).summaries[0].score,
      ),
    );
    const second = [...scores].sort((a, b) => b - a)[1];
    expect(top.summaries[0].score).toBeCloseTo(second, 4);
  });

  test('cosine similarity to its own features is 1, with a gradient of 0', async () => {
    const { raw } = await mapsOf(one, { method: handOut('A'), layer: 'features.14' });
    const same = await mapsOf(one, {
      target: cosineTarget('features.14', raw),
      layer: 'features.11',
    });
    expect(same.summaries[0].score).toBeCloseTo(1, 5);
    const other = await mapsOf(one, {
      target: cosineTarget(
        'features.14',
        raw.map((v, i) => v + (i % 7) * 0.1),
      ),
      layer: 'features.11',
    });
    expect(other.summaries[0].score).toBeLessThan(1);
    expect(other.raw.some((v) => v !== 0)).toBe(true);
  });

  test('what does not fit is one clear line', async () => {
    await expect(mapsOf(one, { target: classTarget(8) })).rejects.toThrow(
      /class 8 is out of range: there are 0 .. 7/,
    );
    await expect(mapsOf(batch, { target: classTarget([1]) })).rejects.toThrow(
      /1 classes for 2 images/,
    );
    await expect(mapsOf(one, { layer: 'flatten' })).rejects.toThrow(/should be feature maps/);
    await expect(mapsOf(one, { layer: 'features.99' })).rejects.toThrow(/nearest are features/);
    await expect(mapsOf(one, { method: 'gradcam' })).rejects.toThrow(/nearest are grad-cam/);
    await expect(mapsOf(one, { options: { copies: 3 } })).rejects.toThrow(/no option copies/);
    await expect(
      mapsOf(one, { method: 'smooth-grad-cam++', options: { copies: 0 } }),
    ).rejects.toThrow(/at least 1/);
    await expect(mapsOf(one, { target: linearTarget(new Float32Array(3)) })).rejects.toThrow(
      /3 coefficients/,
    );
    await expect(mapsOf(one, { layer: ['features.9', 'features.14'] })).rejects.toThrow(
      /2 layers given/,
    );
  });

  test('profiles: torch-cam leaves the size, captum the sign', async () => {
    const torchCam = await mapsOf(one, { profile: 'torch-cam' });
    expect(torchCam.shapes.map).toEqual(torchCam.shapes.raw);
    const captum = await mapsOf(one, { profile: 'captum', target: classTarget(7) });
    const least = captum.raw.reduce((a, b) => Math.min(a, b));
    const largest = captum.raw.reduce((a, b) => Math.max(a, b));
    expect(
      relativeL2(
        captum.map,
        captum.raw.map((v) => (v - least) / (largest - least)),
      ),
    ).toBeLessThan(1e-5);
  });
});

test('each image of a batch has its own numbers, warnings and picture', async () => {
  // The second image is nothing but infinities, the first one an image.
  const data = batch.data.slice();
  data.fill(Number.POSITIVE_INFINITY, data.length / 2);
  const input = upload({ shape: batch.shape, data });
  const how = { method: 'hires-cam', layer: 'features.9' };
  const options = { ...how, target: classTarget([1, 2]) };
  const result = await explain(net, input, options);
  const [first, second] = await result.summaries();
  const whole = await mapsOf(batch, options);
  const alone = await mapsOf(
    { shape: one.shape, data: batch.data.slice(batch.data.length / 2) },
    { ...how, target: classTarget(2) },
  );
  expect(first).toEqual(whole.summaries[0]);
  expect(first.warnings).toEqual([]);
  expect(second.warnings.join()).toMatch(/^the logits are not finite/);
  const of = (raw: Float32Array, extreme: (a: number, b: number) => number) =>
    raw.reduce((a, b) => extreme(a, b));
  const half = whole.raw.length / 2;
  for (const n of [0, 1]) {
    const part = whole.raw.subarray(n * half, (n + 1) * half);
    expect(whole.summaries[n].rawMin).toBe(of(part, Math.min));
    expect(whole.summaries[n].rawMax).toBe(of(part, Math.max));
  }
  expect(whole.summaries[1].score).toBeCloseTo(alone.summaries[0].score, 4);
  expect(whole.summaries[0].score).not.toBeCloseTo(alone.summaries[0].score, 4);
  result.destroy();

  const clean = upload(batch);
  const both = await explain(net, clean, options);
  const colours = colormapTable('greys');
  const pixels = whole.map.length / 2;
  const photo = Photo.fromRgba(net.gpu!, { width: 9, height: 7, rgba: new Uint8Array(4 * 63) });
  const painted: Uint8Array[] = [];
  for (const n of [0, 1]) {
    const expected = Array.from(whole.map.subarray(n * pixels, (n + 1) * pixels), (v) => {
      const i = 4 * Math.floor(v * 255 + 0.5);
      return [...colours.subarray(i, i + 4)];
    });
    expect([...(await both.heatmap({ colormap: 'greys' }, n))]).toEqual(expected.flat());
    const r = Recorder.on(net.gpu!);
    const map = r.constant(whole.map.slice(n * pixels, (n + 1) * pixels), size);
    painted.push(await readPainting(r, paintOverlay(r, photo, map, net.preprocessing)));
    expect(await both.overlay(photo, {}, n)).toEqual(painted[n]);
  }
  expect(painted[0]).not.toEqual(painted[1]);
  await expect(both.heatmap({}, 2)).rejects.toThrow('map 2 is out of range: the batch has 2');
  for (const owned of [both, clean, input, photo]) owned.destroy();
});

test('weights that overflow are told, not drawn', async () => {
  const entries = new Map(
    [...net.graph.params].map(([name, shape]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      // Both signs, so that infinities of both signs meet.
      const read = () => new Float32Array(size).map((_, i) => (i % 2 ? 3e38 : -3e38));
      return [name, { shape, read }] as const;
    }),
  );
  const broken = Net.from(net.gpu!, net.architecture, entries, { classes: net.classes });
  const input = upload(one);
  const result = await explain(broken, input, { target: classTarget(0) });
  const [{ warnings }] = await result.summaries();
  expect(warnings.join()).toMatch(/not finite/);
  expect((await result.read()).every((v) => Number.isFinite(v))).toBe(true);
  result.destroy();
  input.destroy();
  broken.destroy();
});

/** A method whose raw maps [N,2,3] are given, one set for each time it is asked, of as many images as there are. */
function given(...raws: readonly (readonly number[])[]): Method {
  let asked = 0;
  return ownMethod('given', ({ recorder, input }) => {
    const N = input.shape[0];
    const raw = raws[asked++ % raws.length];
    const data = Float32Array.from({ length: 6 * N }, (_, i) => raw[i % raw.length]);
    return recorder.constant(data, [N, 2, 3]);
  });
}

describe('warnings', () => {
  const fine = [3, -1, 2, 0, 1, 5];
  const zero = [0, 0, 0, 0, 0, 0];
  const two = weightedTarget([
    { choice: 0, weight: 1 },
    { choice: 1, weight: 2 },
  ]);
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  const warningsOf = async (method: Method, options: Parameters<typeof explain>[2] = {}) => {
    const { summaries, map } = await mapsOf(one, { method, ...options });
    expect(map.every((v) => Number.isFinite(v))).toBe(true);
    return summaries[0].warnings.join();
  };

  test.each([nan, inf, -inf])('a later class whose map holds %d is told', async (bad) => {
    const broken = fine.with(3, bad);
    for (const profile of ['paper', 'captum'] as const) {
      const how = { target: two, profile };
      expect(await warningsOf(given(fine, fine), how)).toBe('');
      expect(await warningsOf(given(fine, broken), how)).toMatch(/not finite/);
      expect(await warningsOf(given(broken, fine), how)).toMatch(/not finite/);
    }
  });

  test.each([nan, inf, -inf])('%d in a window, or in a part of a fusion, is told', async (bad) => {
    // The image's own map is whole, and so are those of most windows.
    const maps = [fine, fine, fine, fine, fine.with(3, bad)];
    expect(await warningsOf(slidingWindow(given(fine)))).toBe('');
    expect(await warningsOf(slidingWindow(given(maps.flat())))).toMatch(/not finite/);
    const fused = (second: Method) => fuse('both', [{ method: given(fine) }, { method: second }]);
    expect(await warningsOf(fused(given(fine)))).toBe('');
    expect(await warningsOf(fused(given(fine.with(5, bad))))).toMatch(/not finite/);
  });

  test('of several classes nothing is said to be zero unless all is', async () => {
    const target = two;
    expect(await warningsOf(given(zero, fine), { target })).toBe('');
    expect(await warningsOf(given(fine, zero), { target })).toBe('');
    expect(await warningsOf(given(zero, zero), { target })).toMatch(/sum of 2 maps is all zero/);
    expect(await warningsOf(given(zero))).toMatch(/the raw map is all zero/);
  });

  test('negative values are said to be dropped where they are', async () => {
    const negative = given([-2, -2, -2, -2, -2, -2]);
    expect(await warningsOf(negative)).toMatch(/negative values are dropped/);
    expect(await warningsOf(negative, { profile: 'captum' })).toMatch(/the same value everywhere/);
    const kept = { ...negative, finish: 'none' } as const;
    expect(await warningsOf(kept)).toMatch(/the same value everywhere/);
  });
});
