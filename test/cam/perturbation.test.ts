import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExplainOptions, explain } from '../../src/cam/explain.js';
import { classTarget } from '../../src/cam/target.js';
import { TargetError } from '../../src/errors.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { addNoise, noiseOf } from '../../src/kernels/add-noise.js';
import { resizeBicubic } from '../../src/kernels/resize-bicubic.js';
import { slic } from '../../src/kernels/slic.js';
import { Graph } from '../../src/net/graph.js';
import { AdaptiveAvgPool2d, Conv2d, Flatten, Linear, ReLU } from '../../src/net/modules.js';
import type { Net } from '../../src/net/net.js';
import {
  argmax,
  askedAtOnce,
  blended,
  combined,
  explained,
  featuresOf,
  type Image,
  logitsOf,
  mapOf,
  ownNet,
  probabilitiesOf,
  smallLayer,
  smallNet,
  softmax,
  stretched,
} from '../support/black-box.js';
import { runKernel, testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { enlarge } from '../support/reference-cams.js';
import { gridOf, maskOf } from '../support/rise-masks.js';

const { gpu } = useGpu();

const [H, W] = [16, 24];
const size = [H, W] as const;
const layer = smallLayer;
const x = random([1, 3, H, W], 41);
const black = new Float32Array(x.data.length);
let net: Net;

beforeAll(async () => {
  net = smallNet(await testGpu());
});
afterAll(() => net.destroy());

/** A raw map; copies are asked about as many at once as by the references, unless `options` say otherwise. */
async function rawOf(method: string, classId: number, options = {}, input: Image = x) {
  const isOne = method === 'cameras';
  const given = isOne ? options : { batch: askedAtOnce, ...options };
  const target = classTarget(classId);
  return (await explained(net, input, { method, layer, target, options: given })).raw;
}

const scoresOf = (copies: readonly ArrayLike<number>[], classId: number) =>
  probabilitiesOf(net, copies, x.shape, classId);

/** Checks a raw map against its reference, which must say something. */
function expectMap(raw: Float32Array, want: ArrayLike<number>, what = '', bound = 1e-4) {
  expect(new Set(Array.from(want)).size, what).toBeGreaterThan(3);
  expect(relativeL2(raw, want), what).toBeLessThan(bound);
}

/** mm(up(A[k])), and whether A[k] is constant. */
const masksOf = (maps: readonly ArrayLike<number>[], from: readonly [number, number]) =>
  maps.map((map) => stretched(enlarge(map, from, size)));

const isFlat = (mask: Float64Array) => mask.every((v) => v === 0);

/** Noise as the kernel makes it: repeatable, the same for all images. */
async function noiseLike(name: string, sigma: number): Promise<Float32Array> {
  const given = {
    x: { shape: x.shape, data: black },
    noise: { shape: [2], data: noiseOf(name, sigma) },
  };
  return (await runKernel(gpu(), addNoise, given)).y as Float32Array;
}

/** Gaussian blur, mirrored at the border without repeating the edge, as often as it takes. */
function blurOf(data: ArrayLike<number>, side: number, sigma: number): Float64Array {
  const radius = (side - 1) / 2;
  const weights = Array.from({ length: side }, (_, i) =>
    Math.exp(-(((i - radius) / sigma) ** 2) / 2),
  );
  const total = weights.reduce((a, b) => a + b);
  const mirrored = (i: number, length: number) => {
    const period = Math.max(2 * (length - 1), 1);
    const at = ((i % period) + period) % period;
    return Math.min(at, period - at);
  };
  const along = (from: ArrayLike<number>, length: number, step: number) =>
    Float64Array.from({ length: from.length }, (_, i) => {
      const at = Math.floor(i / step) % length;
      return weights.reduce((sum, weight, d) => {
        const j = mirrored(at + d - radius, length);
        return sum + (weight / total) * from[i + (j - at) * step];
      }, 0);
    });
  return along(along(data, W, 1), H, W);
}

/** The theta-th percentile, linear between neighbours; what is at or below it becomes 0. */
function withoutNoise(map: Float64Array, theta: number): Float64Array {
  const sorted = [...map].sort((a, b) => a - b);
  const position = ((map.length - 1) * theta) / 100;
  const low = Math.floor(position);
  const high = Math.min(low + 1, map.length - 1);
  const threshold = sorted[low] + (position - low) * (sorted[high] - sorted[low]);
  return map.map((v) => (v > threshold ? v : 0));
}

const meanOf = (map: ArrayLike<number>) => Array.from(map).reduce((a, b) => a + b, 0) / map.length;

const reluOf = (map: Float64Array) => map.map((v) => Math.max(v, 0));

/** relu(sum of w[k] maps[k]) over B groups of neighbours, the first of which are the larger. */
function groupsOf(maps: readonly ArrayLike<number>[], w: readonly number[], B: number) {
  const K = maps.length;
  let first = 0;
  return Array.from({ length: B }, (_, r) => {
    const count = Math.floor(K / B) + (r < K % B ? 1 : 0);
    const end = first + count;
    const sum = combined(maps.slice(first, end), w.slice(first, end));
    first = end;
    return reluOf(sum);
  });
}

/** Steps 4 and 5 of MSG-CAM: what group maps are worth, and their sum. */
async function groupSum(
  maps: readonly Float64Array[],
  from: readonly [number, number],
  classId: number,
  options: { blur?: number; sigma?: number; gains?: boolean; weighted?: readonly Float64Array[] },
) {
  const { blur = 51, sigma = 50, gains = false, weighted = maps } = options;
  const canvas = blurOf(x.data, blur, sigma);
  const masks = masksOf(maps, from);
  const copies = masks.map((mask) => blended(x.data, mask, canvas));
  const p = await scoresOf([...copies, canvas], classId);
  const a = masks.map((mask, r) => (isFlat(mask) ? 0 : p[r] - p[masks.length]));
  return combined(weighted, gains ? a.map((v) => Math.max(v, 0)) : a);
}

const stackOf = (maps: Float32Array, K: number, area: number) =>
  Array.from({ length: K }, (_, k) => mapOf(maps, k, area));

describe('formulas, in float64 on the black box', () => {
  test('SS-CAM: the mean over noisy copies', async () => {
    const { A, K, h, w } = await featuresOf(net, x, layer, 2);
    const maps = stackOf(A, K, h * w);
    const masks = masksOf(maps, [h, w]);
    const mean = new Array(K).fill(0);
    for (const j of [0, 1]) {
      const noise = await noiseLike(`n:${j}`, 0.7);
      const copies = masks.map((m) => blended(x.data, m).map((v, i) => v + noise[i]));
      for (const [k, p] of (await scoresOf(copies, 2)).entries()) mean[k] += p / 2;
    }
    const [baseline] = await scoresOf([black], 2);
    const weights = masks.map((mask, k) => (isFlat(mask) ? 0 : mean[k] - baseline));
    const options = { copies: 2, sigma: 0.7, seed: 'n' };
    expectMap(await rawOf('ss-cam', 2, options), combined(maps, weights));
  });

  test('IS-CAM: the mean over intensities', async () => {
    const { A, K, h, w } = await featuresOf(net, x, layer, 2);
    const maps = stackOf(A, K, h * w);
    const masks = masksOf(maps, [h, w]);
    const copies = [0.5, 1].flatMap((share) =>
      masks.map((m) => blended(x.data, m).map((v) => share * v)),
    );
    const p = await scoresOf([...copies, black], 2);
    const weights = masks.map((mask, k) => (isFlat(mask) ? 0 : (p[k] + p[K + k]) / 2 - p[2 * K]));
    expectMap(await rawOf('is-cam', 2, { steps: 2 }), combined(maps, weights));
  });

  test('Ablation-CAM: the relative drop of the logit, also where it is negative', async () => {
    const [y] = await logitsOf(net, x);
    const classes = [argmax(y), argmax(y.map((v) => -v))];
    expect(y[classes[0]]).toBeGreaterThan(0);
    expect(y[classes[1]]).toBeLessThan(0);
    for (const classId of classes) {
      const { A, K, h, w } = await featuresOf(net, x, layer, classId);
      const area = h * w;
      const data = new Float32Array(K * A.length);
      for (let k = 0; k < K; k++) {
        data.set(A, k * A.length);
        data.fill(0, k * A.length + k * area, k * A.length + (k + 1) * area);
      }
      const rows = await logitsOf(net, { shape: [K, K, h, w], data }, layer);
      const weights = rows.map((row) => (y[classId] - row[classId]) / y[classId]);
      const raw = await rawOf('ablation-cam', classId, { batch: 13 });
      expectMap(raw, combined(stackOf(A, K, area), weights), `class ${classId}`);
    }
  });

  test('Group-CAM, wherever noise is taken off', async () => {
    const { A, G, K, h, w } = await featuresOf(net, x, layer, 2);
    const [maps, gradients] = [stackOf(A, K, h * w), stackOf(G, K, h * w)];
    const up = (map: ArrayLike<number>) => enlarge(map, [h, w], size);
    const atLayer = groupsOf(maps, gradients.map(meanOf), 7);
    const atInput = groupsOf(maps.map(up), gradients.map(meanOf), 7);
    const off = (theta: number) => (map: Float64Array) => withoutNoise(map, theta);
    const blur = { blur: 7, sigma: 3 };

    const input = await groupSum(atInput.map(off(70)), size, 2, {});
    expectMap(await rawOf('group-cam', 2, { groups: 7 }), input, 'input');
    const other = await groupSum(atInput.map(off(40)), size, 2, blur);
    const given = { groups: 7, theta: 40, ...blur };
    expectMap(await rawOf('group-cam', 2, given), other, 'theta and blur');
    const low = await groupSum(atLayer.map(off(70)), [h, w], 2, blur);
    const layerwise = { groups: 7, denoise: 'layer', ...blur };
    expectMap(await rawOf('group-cam', 2, layerwise), low, 'layer');
    const none = await groupSum(atLayer, [h, w], 2, { gains: true });
    const authors = await rawOf('group-cam', 2, { groups: 7, preset: 'authors' });
    expectMap(authors, none, 'authors');
    const signed = await groupSum(atLayer, [h, w], 2, {});
    expect(relativeL2(none, signed), 'a group that loses, or gains says nothing').toBeGreaterThan(
      1e-3,
    );
  });

  test.each([
    [5, 3, 'grey'],
    [5, 3, 'blur'],
    [4, 7, 'grey'], // some pixels are under no square
    [16, 5, 'grey'],
    [1, 6, 'grey'],
  ] as const)('occlusion: squares of %i, %i apart, %s', async (side, stride, cover) => {
    const starts = (length: number) => {
      const list = [];
      for (let at = 0; at + side < length; at += stride) list.push(at);
      return [...list, length - side];
    };
    const covers = starts(H).flatMap((top) =>
      starts(W).map((left) =>
        Float64Array.from({ length: H * W }, (_, i) => {
          const [r, c] = [Math.floor(i / W), i % W];
          return r >= top && r < top + side && c >= left && c < left + side ? 1 : 0;
        }),
      ),
    );
    const canvas = cover === 'blur' ? blurOf(x.data, 51, 50) : undefined;
    const copies = covers.map((square) =>
      blended(
        x.data,
        square.map((v) => 1 - v),
        canvas,
      ),
    );
    const p = await scoresOf([...copies, x.data], 2);
    const drops = covers.map((_, n) => p[covers.length] - p[n]);
    const count = combined(
      covers,
      covers.map(() => 1),
    );
    const want = combined(covers, drops).map((v, i) => v / Math.max(count[i], 1));
    const raw = await rawOf('occlusion', 2, { size: side, stride, cover });
    expectMap(raw, want, '', 1e-4);
  });

  test('RISE: the masks by what they score', async () => {
    const [count, cells, p] = [70, 3, 0.4];
    const masks = Array.from({ length: count }, (_, n) => {
      const { cells: grid, shift } = gridOf('key', n, cells, p, size);
      return maskOf(grid, shift, cells, size);
    });
    const scores = await scoresOf(
      masks.map((mask) => blended(x.data, mask)),
      2,
    );
    const want = combined(masks, scores).map((v) => v / (count * p));
    expectMap(await rawOf('rise', 2, { masks: count, cells, p, seed: 'key', batch: 9 }), want);
  });
});

/** An image's size at each step, by methods.md, the longer side in proportion. */
const sizesFor = (steps: number, upper: number) =>
  Array.from({ length: steps }, (_, t) => {
    const z = H + Math.floor(upper / steps) * t;
    return [z, Math.round((W * z) / H)] as const;
  });

/** An image enlarged in float64. */
function atSize({ data }: Image, to: readonly [number, number]): Image {
  const planes = [0, 1, 2].flatMap((c) => [...enlarge(mapOf(data, c, H * W), size, to)]);
  return { shape: [1, 3, ...to], data: Float32Array.from(planes) };
}

/** Abar and Gbar at the input's size, over the sizes that keep the class (or all). */
async function meansOver(images: readonly Image[], image: Image, classId: number, keep: string) {
  let kept = 0;
  const sums: { A: Float64Array[]; G: Float64Array[] } = { A: [], G: [] };
  for (const scaled of images) {
    const [y] = await logitsOf(net, scaled);
    if (keep === 'class' && argmax(y) !== classId) continue;
    kept++;
    const { A, G, K, h, w } = await featuresOf(net, scaled, layer, classId);
    for (const [name, maps] of Object.entries({ A, G }) as ['A' | 'G', Float32Array][]) {
      const up = stackOf(maps, K, h * w).map((map) => enlarge(map, [h, w], size));
      sums[name] = up.map((map, k) => map.map((v, i) => v + (sums[name][k]?.[i] ?? 0)));
    }
  }
  expect(kept, `sizes of ${image.shape} that keep class ${classId}`).toBeGreaterThan(0);
  const mean = (maps: Float64Array[]) => maps.map((map) => map.map((v) => v / kept));
  return { Abar: mean(sums.A), Gbar: mean(sums.G), kept };
}

/** An image that is taken for another class at the second of two sizes, and for what it is taken at first. */
async function fickle(to: readonly [number, number]): Promise<{ image: Image; classId: number }> {
  for (let seed = 1; seed < 400; seed++) {
    const image = random([1, 3, H, W], seed);
    for (let i = 0; i < image.data.length; i++) image.data[i] *= 1 + (seed % 5);
    const classId = argmax((await logitsOf(net, image))[0]);
    if (argmax((await logitsOf(net, atSize(image, to)))[0]) !== classId) return { image, classId };
  }
  return expect.fail('no image changes its class');
}

describe('several sizes', () => {
  const steps = { steps: 2, size: 20 };
  const sizes = sizesFor(2, 20); // 16 x 24, 26 x 39

  test('CAMERAS: means over the sizes that keep the class', async () => {
    const { image, classId } = await fickle(sizes[1]);
    const images = sizes.map((to) => atSize(image, to));
    for (const keep of ['class', 'all']) {
      const { Abar, Gbar, kept } = await meansOver(images, image, classId, keep);
      expect(kept).toBe(keep === 'all' ? 2 : 1);
      const product = Abar.map((map, k) => map.map((v, i) => v * Gbar[k][i]));
      const ones = product.map(() => 1);
      const raw = await rawOf('cameras', classId, { ...steps, keep }, image);
      expectMap(raw, combined(product, ones), `elementwise, ${keep}`);
      const mean = await rawOf('cameras', classId, { ...steps, keep, weights: 'mean' }, image);
      expectMap(mean, combined(Abar, Gbar.map(meanOf)), `mean, ${keep}`);
    }
  });

  test('CAMERAS: each image of a batch keeps its own sizes; the authors resize bicubically', async () => {
    const { image, classId } = await fickle(sizes[1]);
    const both = { shape: [2, 3, H, W], data: new Float32Array(2 * x.data.length) };
    both.data.set(x.data);
    both.data.set(image.data, x.data.length);
    const other = argmax((await logitsOf(net, x))[0]);
    const method = 'cameras';
    const target = classTarget([other, classId]);
    const { raw } = await explained(net, both, { method, layer, target, options: steps });
    for (const [n, one] of [x, image].entries()) {
      const alone = await rawOf(method, [other, classId][n], steps, one);
      expectMap(mapOf(raw, n, H * W), alone, `image ${n}`, 1e-5);
    }
    const large = await runKernel(gpu(), resizeBicubic, { x }, { outputSize: sizes[1] });
    const images = [x, { shape: [1, 3, ...sizes[1]], data: large.y as Float32Array }];
    const { Abar, Gbar } = await meansOver(images, x, other, 'all');
    const product = Abar.map((map, k) => map.map((v, i) => v * Gbar[k][i]));
    const authors = await rawOf(method, other, { ...steps, preset: 'authors', keep: 'all' });
    expectMap(
      authors,
      combined(
        product,
        product.map(() => 1),
      ),
      'authors',
    );
  });

  test('MSG-CAM: groups of the means over three sizes', async () => {
    const three = sizesFor(3, 20); // 16, 22, 28
    expect(three[2]).toEqual([28, 42]);
    const images = three.map((to) => atSize(x, to));
    const { Abar, Gbar } = await meansOver(images, x, 2, 'all');
    const noisy = groupsOf(Abar, Gbar.map(meanOf), 7);
    const maps = noisy.map((map) => withoutNoise(map, 55));
    const given = { steps: 3, size: 20, keep: 'all', groups: 7, theta: 55, blur: 9, sigma: 4 };
    const want = await groupSum(maps, size, 2, { blur: 9, sigma: 4 });
    expectMap(await rawOf('msg-cam', 2, given), want, 'denoised', 2e-4);
    const loud = await groupSum(maps, size, 2, { blur: 9, sigma: 4, weighted: noisy });
    expectMap(await rawOf('msg-cam', 2, { ...given, weigh: 'noisy' }), loud, 'noisy', 2e-4);
  });

  test("MSG-CAM of one size is Group-CAM, where the input's sides are multiples of the layer's", async () => {
    const six = random([1, 3, 6, 6], 43); // 2 x 2 at the layer
    const classId = argmax((await logitsOf(net, six))[0]);
    const group = await rawOf('group-cam', classId, { groups: 11 }, six);
    const one = await rawOf('msg-cam', classId, { groups: 11, steps: 1 }, six);
    expectMap(one, group, '', 1e-6);
  });

  test.each(['msg-cam', 'cameras'])(
    '%s: a class never predicted is an error with a way out',
    async (method) => {
      const [y] = await logitsOf(net, x);
      const classId = argmax(y.map((v) => -v));
      const input = gpu().tensor(x.data, x.shape);
      const before = gpu().liveBytes;
      const options = { method, layer, target: classTarget(classId), options: steps };
      const failure: unknown = await explain(net, input, options).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(TargetError);
      expect((failure as Error).message).toMatch(/: the image is .*16 x 24, 26 x 39.*keep=all/);
      expect(gpu().liveBytes).toBe(before);
      input.destroy();
      // Of a batch the first one that is refused is named.
      const best = argmax(y);
      const two = gpu().tensor(Float32Array.of(...x.data, ...x.data), [2, ...x.shape.slice(1)]);
      const both = { ...options, target: classTarget([best, classId]) };
      await expect(explain(net, two, both)).rejects.toThrow(/: image 1 is .*keep=all/);
      two.destroy();
      const raw = await rawOf(method, classId, { ...steps, keep: 'all' });
      expect(raw.some((v) => v !== 0)).toBe(true);
      expect(raw.every((v) => Number.isFinite(v))).toBe(true);
    },
  );
});

describe('what the papers state', () => {
  test('Ablation-CAM of a linear head is its weights', async () => {
    const graph = () => {
      const g = new Graph();
      const maps = g.sequential('features', 'input', [Conv2d(3, 6, 3, { pad: 1 }), ReLU]);
      const mean = g.add('mean', [maps], AdaptiveAvgPool2d([1, 1]));
      g.add('head', [g.add('flat', [mean], Flatten)], Linear(6, 3));
      return g;
    };
    const weights = {
      'features.0.weight': random([6, 3, 3, 3], 1).data,
      'features.0.bias': random([6], 2).data,
      'head.weight': random([3, 6], 3).data,
      'head.bias': new Float32Array(3),
    };
    const own = ownNet(gpu(), graph, { classes: 3, layer: 'features.1', weights });
    const image = random([1, 3, 5, 7], 4);
    for (const classId of [0, 1, 2]) {
      const { A, K, h, w } = await featuresOf(own, image, 'features.1', classId);
      const maps = stackOf(A, K, h * w);
      const parts = maps.map((map, k) => weights['head.weight'][classId * 6 + k] * meanOf(map));
      const y = parts.reduce((a, b) => a + b);
      const want = combined(
        maps,
        parts.map((v) => v / y),
      );
      const options: ExplainOptions = { method: 'ablation-cam', target: classTarget(classId) };
      expectMap((await explained(own, image, options)).raw, want, `class ${classId}`, 1e-4);
    }
    own.destroy();
  });

  /** A network of logits +-(w . x) / 2: the first class's probability is 1/2 + (w . x) / 4 to second order. */
  const nearlyLinear = (w: Float32Array): Net =>
    ownNet(
      gpu(),
      () => {
        const g = new Graph();
        g.add('head', [g.add('flat', ['input'], Flatten)], Linear(w.length, 2));
        return g;
      },
      {
        classes: 2,
        weights: {
          'head.weight': Float32Array.from([...w, ...w.map((v) => -v)], (v) => v / 2),
          'head.bias': new Float32Array(2),
        },
      },
    );

  test('RISE of a linear score is its weights, as far apart as masks can tell pixels', async () => {
    const [side, cells, p, count] = [6, 3, 0.5, 3000];
    const area = side * side;
    const one = random([area], 8).data.map((v) => 0.01 * v);
    const own = nearlyLinear(Float32Array.from([...one, ...one, ...one]));
    const image = { shape: [1, 3, side, side], data: new Float32Array(3 * area).fill(1) };
    const options = { masks: count, cells, p, seed: 'linear' };
    const { raw } = await explained(own, image, {
      method: 'rise',
      target: classTarget(0),
      options,
    });
    own.destroy();

    // What a score of 1/2 brings each pixel, by the masks there were; the rest is the weights'.
    const sum = new Float64Array(area);
    for (let n = 0; n < count; n++) {
      const { cells: grid, shift } = gridOf('linear', n, cells, p, [side, side]);
      for (const [i, m] of maskOf(grid, shift, cells, [side, side]).entries()) sum[i] += m;
    }
    const got = raw.map((v, i) => v - sum[i] / 2 / (count * p));

    // E[m_i m_j] = p^2 + p (1 - p) sum over cells of a_ic a_jc, the mean over shifts; a_ic what cell c shows of pixel i.
    const want = new Float64Array(area);
    const step = side / cells;
    for (let shift = 0; shift < step * step; shift++) {
      const at = [Math.floor(shift / step), shift % step];
      for (let c = 0; c < cells * cells; c++) {
        const unit = Array.from({ length: cells * cells }, (_, i) => (i === c ? 1 : 0));
        const a = maskOf(unit, at, cells, [side, side]);
        const along = a.reduce((total, v, j) => total + v * 3 * one[j], 0);
        for (let i = 0; i < area; i++) want[i] += (p * (1 - p) * a[i] * along) / step ** 2;
      }
    }
    const whole = one.reduce((a, b) => a + 3 * b, 0);
    for (let i = 0; i < area; i++) want[i] = (want[i] + p ** 2 * whole) / (4 * p);
    // 36 pixels' weights from 3000 masks: the noise is some hundredths.
    expect(relativeL2(got, want)).toBeLessThan(0.15);
    expect(
      relativeL2(
        got,
        want.map((v) => -v),
      ),
    ).toBeGreaterThan(1);
  });

  /** An image of four colours, and which superpixel each pixel is in. */
  async function coloured(own: Net, segments: number) {
    const side = 12;
    const { data } = random([1, 3, side, side], 9);
    for (let i = 0; i < data.length; i++) {
      const quarter =
        2 * Number((i % (side * side)) / side >= side / 2) + Number(i % side >= side / 2);
      data[i] = 0.05 * data[i] + [1, -1, 0.3, -0.4][(quarter + Math.floor(i / (side * side))) % 4];
    }
    const r = Recorder.on(gpu());
    const { mean, std } = own.preprocessing;
    const cut = slic(r, r.constant(data, [1, 3, side, side]), {
      segments,
      compactness: 10,
      mean,
      std,
    });
    const [tensor] = await r.run([cut.labels]);
    const labels = await tensor.read();
    tensor.destroy();
    return { image: { shape: [1, 3, side, side], data }, labels, segments: cut.segments };
  }

  test.each([
    ['lime', { samples: 400, ridge: 0 }],
    ['kernel-shap', { samples: 1000 }],
    ['kernel-shap', { samples: 60 }],
  ] as const)('%s recovers an additive model: %o', async (method, options) => {
    const segments = 9;
    const w = random([3 * 144], 10).data.map((v) => 1e-3 * v);
    const own = nearlyLinear(w);
    const { image, labels, segments: S } = await coloured(own, segments);
    expect(S).toBeGreaterThan(5);
    expect(new Set(labels).size).toBeGreaterThan(3);
    const target = classTarget(0);
    const given = { method, target, options: { ...options, segments } };
    const { raw, logits } = await explained(own, image, given);
    const values = new Float64Array(S);
    for (let i = 0; i < image.data.length; i++) {
      values[labels[i % 144]] += (w[i] * image.data[i]) / 4;
    }
    // Beyond the first order p bends by z^3 / 48, z the logits' difference; in a score of 1/2 a float32 is off by 3e-8.
    const z = logits[0] - logits[1];
    expect(Math.abs(z)).toBeLessThan(0.2);
    const want = Float64Array.from(labels, (s) => values[s]);
    expectMap(raw, want, method, 5e-4);

    if (method === 'kernel-shap') {
      const shown = new Map(Array.from(labels, (s, i) => [s, raw[i]]));
      const sum = [...shown.values()].reduce((a, b) => a + b);
      expect(sum).toBeCloseTo(softmax(logits)[0] - 0.5, 6);
    }
    own.destroy();
  });

  test.each(['grey', 'blur'])("SHAP's values add up, of any network: off is %s", async (off) => {
    const { mean, std } = net.preprocessing;
    const r = Recorder.on(gpu());
    const cut = slic(r, r.constant(x.data, x.shape), { segments: 8, compactness: 10, mean, std });
    const [tensor] = await r.run([cut.labels]);
    const labels = await tensor.read();
    tensor.destroy();
    const classId = argmax((await logitsOf(net, x))[0]);
    const raw = await rawOf('kernel-shap', classId, { segments: 8, samples: 100, off });
    const shown = new Map(Array.from(labels, (s, i) => [s, raw[i]]));
    expect(shown.size).toBeGreaterThan(3);
    for (const [i, s] of labels.entries()) expect(raw[i]).toBe(shown.get(s));
    const canvas = off === 'blur' ? blurOf(x.data, 51, 50) : black;
    const [all, none] = await scoresOf([x.data, canvas], classId);
    const sum = [...shown.values()].reduce((a, b) => a + b);
    expect(Math.abs(all - none)).toBeGreaterThan(1e-3);
    expect(Math.abs(sum - (all - none))).toBeLessThan(1e-5);
  });
});
