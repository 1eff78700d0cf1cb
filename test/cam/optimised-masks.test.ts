/** Meaningful and extremal perturbation: masks found by gradient descent. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ExplainOptions, explain, planExplain } from '../../src/cam/explain.js';
import { predict } from '../../src/cam/predict.js';
import { classTarget, linearTarget, probabilityTarget } from '../../src/cam/target.js';
import { energyShare } from '../../src/eval/index.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import { blurColumns, blurRows, gaussianWeights } from '../../src/kernels/gaussian-blur.js';
import { resizeBilinear } from '../../src/kernels/resize-bilinear.js';
import { Net } from '../../src/net/net.js';
import { singlePet } from '../../src/toy/toypets.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { enlarge } from '../support/reference-cams.js';

useGpu();

const [H, W] = [16, 24];
const area = H * W;
const names = ['meaningful-perturbation', 'extremal-perturbation'];
/** Faint noise, of which the net is unsure: p of class 1 is 0.30, of class 2 0.13. */
const x = random([1, 3, H, W], 21).data.map((v) => 0.3 * v);
let net: Net;

beforeAll(async () => {
  const bytes = readFileSync(new URL('../../models/toy_vgg.safetensors', import.meta.url));
  net = Net.load(await testGpu(), undefined, bytes);
});
afterAll(() => net.destroy());

/** Raw maps of images [.., 3, h, w] one after the other. */
async function rawOf(data: Float32Array, options: ExplainOptions, [h, w] = [H, W]) {
  const input = net.gpu!.tensor(data, [data.length / (3 * h * w), 3, h, w]);
  const result = await explain(net, input, options);
  const raw = (await result.raw.read()) as Float32Array;
  result.destroy();
  input.destroy();
  return raw;
}

async function probabilityOf(data: Float32Array, classId: number, [h, w] = [H, W]) {
  const input = net.gpu!.tensor(data, [1, 3, h, w]);
  const [guesses] = await predict(net, input, 8);
  input.destroy();
  return guesses.find((guess) => guess.classId === classId)!.probability;
}

async function blurredImage(data: Float32Array, [h, w]: number[], side: number, sigma: number) {
  const r = Recorder.on(net.gpu!);
  const weights = r.constant(gaussianWeights(side, sigma));
  const rows = r.k(blurRows, { x: r.constant(data, [1, 3, h, w]), w: weights });
  const [blurred] = await r.run([r.k(blurColumns, { x: rows, w: weights })]);
  const values = (await blurred.read()) as Float32Array;
  blurred.destroy();
  return values;
}

/** The image where the mask is 1, the canvas where it is 0. */
const blended = (image: Float32Array, canvas: ArrayLike<number>, mask: ArrayLike<number>) =>
  image.map((v, i) => {
    const share = mask[i % mask.length];
    return v * share + canvas[i] * (1 - share);
  });

/** A mask of cells, enlarged on the device: its ties are the device's. */
async function up(m: Float64Array, cells: readonly number[]): Promise<Float32Array> {
  const r = Recorder.on(net.gpu!);
  const value = r.constant(Float32Array.from(m), [1, 1, ...cells]);
  const [big] = await r.run([r.k(resizeBilinear, { x: value }, { outputSize: [H, W] })]);
  const values = (await big.read()) as Float32Array;
  big.destroy();
  return values;
}

/** The transpose of enlarging: each cell's own picture, times the gradient. */
function gathered(dm: Float64Array, [h, w]: readonly number[]): Float64Array {
  return Float64Array.from({ length: h * w }, (_, cell) => {
    const one = new Float64Array(h * w);
    one[cell] = 1;
    return enlarge(one, [h, w], [H, W]).reduce((sum, v, i) => sum + v * dm[i], 0);
  });
}

/** d score / d mask at the pixels, from the gradient of the score at the blended image. */
async function slopeOf(
  mask: ArrayLike<number>,
  canvas: Float32Array,
  target: ExplainOptions['target'],
) {
  const dx = await rawOf(blended(x, canvas, mask), { method: 'gradient', target });
  const dm = new Float64Array(area);
  dx.forEach((d, i) => {
    dm[i % area] += d * (x[i] - canvas[i]);
  });
  return dm;
}

/** Adam as its paper has it, held to 0..1, along gradients that are asked for one by one. */
async function adam(
  size: number,
  start: number,
  steps: number,
  rate: number,
  gradient: (m: Float64Array, step: number) => Promise<Float64Array>,
) {
  const [m, u, v] = [start, 0, 0].map((value) => new Float64Array(size).fill(value));
  for (let t = 1; t <= steps; t++) {
    const g = await gradient(m, t);
    for (let i = 0; i < size; i++) {
      u[i] = 0.9 * u[i] + 0.1 * g[i];
      v[i] = 0.999 * v[i] + 0.001 * g[i] ** 2;
      const move = (rate * u[i]) / (1 - 0.9 ** t) / (Math.sqrt(v[i] / (1 - 0.999 ** t)) + 1e-8);
      m[i] = Math.min(Math.max(m[i] - move, 0), 1);
    }
  }
  return m;
}

/** What meaningful perturbation makes small, but for the score: and its gradient, by hand. */
function penalty(m: Float64Array, [h, w]: readonly number[], { l1 = 1e-4, l2 = 1e-2, beta = 3 }) {
  let value = 0;
  const slope = Float64Array.from(m, (v) => (v < 1 ? -l1 : 0));
  const pair = (a: number, b: number) => {
    const d = m[a] - m[b];
    value += l2 * Math.abs(d) ** beta;
    const s = l2 * beta * Math.abs(d) ** (beta - 1) * Math.sign(d);
    slope[a] += s;
    slope[b] -= s;
  };
  for (let i = 0; i < h * w; i++) {
    value += l1 * Math.abs(1 - m[i]);
    if (i + w < h * w) pair(i, i + w);
    if ((i + 1) % w !== 0) pair(i, i + 1);
  }
  return { value, slope };
}

test.each([
  { start: 0, canvas: 'blur', l1: 1e-4, l2: 1e-2, beta: 3 },
  { start: 0.5, canvas: 'grey', l1: 1e-2, l2: 0.2, beta: 2 },
  { start: 1, canvas: 'grey', l1: 1e-3, l2: 0.1, beta: 3 },
])('meaningful perturbation is its formula, in float64: %o', async (terms) => {
  const [steps, rate, cells] = [5, 0.1, [6, 6]];
  const options = { ...terms, steps, rate, cells: 6, blur: 7, sigma: 2 };
  const raw = await rawOf(x, {
    method: 'meaningful-perturbation',
    target: classTarget(2),
    options,
  });
  const canvas =
    terms.canvas === 'blur' ? await blurredImage(x, [H, W], 7, 2) : new Float32Array(x.length);
  const m = await adam(36, terms.start, steps, rate, async (now) => {
    const slope = await slopeOf(await up(now, cells), canvas, probabilityTarget(2));
    const { slope: pulls } = penalty(now, cells, terms);
    return gathered(slope, cells).map((v, i) => v + pulls[i]);
  });
  const want = (await up(m, cells)).map((v) => 1 - v);
  expect(new Set(want).size).toBeGreaterThan(30);
  expect(relativeL2(raw, want)).toBeLessThan(2e-3);
});

test.each(['logit', 'probability'] as const)(
  'extremal perturbation is its formula, in float64, with the %s kept high',
  async (score) => {
    const [steps, rate, cells] = [5, 0.05, [5, 5]];
    const [kept, weight, growth] = [77, score === 'logit' ? 20 : 0.2, 8]; // 0.2 of the pixels, to the nearest
    const raw = await rawOf(x, {
      method: 'extremal-perturbation',
      target: classTarget(3),
      options: { ...{ area: 0.2, score, steps, rate, cells: 5, weight, growth }, canvas: 'grey' },
    });
    const canvas = new Float32Array(x.length);
    const target = score === 'logit' ? classTarget(3) : probabilityTarget(3);
    const m = await adam(25, 1, steps, rate, async (now, step) => {
      const mask = await up(now, cells);
      const slope = await slopeOf(mask, canvas, target);
      const sorted = Array.from(mask).sort((a, b) => b - a);
      const edge = sorted[kept - 1];
      const [first, last] = [sorted.indexOf(edge), sorted.lastIndexOf(edge)];
      const share = (kept - first) / (last + 1 - first);
      const w = weight * growth ** (step / steps);
      const total = slope.map((d, i) => {
        const r = mask[i] > edge ? 1 : mask[i] < edge ? 0 : share;
        return -d + (w * 2 * (mask[i] - r)) / area;
      });
      return gathered(total, cells);
    });
    const want = await up(m, cells);
    expect(new Set(want).size).toBeGreaterThan(20);
    expect(relativeL2(raw, want)).toBeLessThan(2e-3);
  },
);

test('what meaningful perturbation is to make small becomes smaller, step after step', async () => {
  const losses: number[] = [];
  for (const steps of [1, 6, 30]) {
    // As many cells as pixels: the raw map is 1 - m itself.
    const options = { steps, cells: 24, canvas: 'grey', start: 1, rate: 0.02 };
    const raw = await rawOf(x, {
      method: 'meaningful-perturbation',
      target: classTarget(1),
      options,
    });
    const m = Float64Array.from(raw, (v) => 1 - v);
    const p = await probabilityOf(blended(x, new Float32Array(x.length), m), 1);
    losses.push(p + penalty(m, [H, W], {}).value);
  }
  expect(losses[0]).toBeLessThan(await probabilityOf(x, 1));
  expect(losses[1]).toBeLessThan(losses[0]);
  expect(losses[2]).toBeLessThan(losses[1]);
});

test('on a picture, what is hidden takes the class away, what is kept suffices, and both are the animal', async () => {
  const side = 112;
  const { rgb, animals } = singlePet(9);
  const [{ mask: animal, classId }] = animals;
  const { mean, std } = net.preprocessing;
  const image = new Float32Array(3 * side * side);
  for (let i = 0; i < image.length; i++) {
    const [c, at] = [Math.floor(i / side ** 2), i % side ** 2];
    image[i] = (rgb[3 * at + c] / 255 - mean[c]) / std[c];
  }
  const share = animal.reduce((a, b) => a + b, 0) / side ** 2;
  const canvas = await blurredImage(image, [side, side], 61, 10);
  const p = (mask: ArrayLike<number>) =>
    probabilityOf(blended(image, canvas, mask), classId, [side, side]);
  expect(await p([1])).toBeGreaterThan(0.9);
  const target = classTarget(classId);

  const run = (method: string, steps: number) =>
    rawOf(image, { method, target, options: { steps } }, [side, side]);
  const hidden = await run('meaningful-perturbation', 25);
  expect(await p(hidden.map((v) => 1 - v))).toBeLessThan(0.3);
  expect(energyShare(hidden, animal)).toBeGreaterThan(2 * share);

  const kept = await run('extremal-perturbation', 25);
  expect(Math.abs(kept.reduce((a, b) => a + b, 0) / side ** 2 - 0.1)).toBeLessThan(0.02);
  expect(energyShare(kept, animal)).toBeGreaterThan(2 * share);
  // Upside down the same mask is as large, but not on the animal.
  expect(await p(kept)).toBeGreaterThan(0.5);
  expect(await p(kept.toReversed())).toBeLessThan(0.3);
});

test.each(names)('%s: each image of a batch as alone, and the same again', async (method) => {
  const two = new Float32Array(2 * x.length);
  two.set(x);
  two.set(x.toReversed(), x.length);
  const options = { steps: 6, cells: 8 };
  const both = await rawOf(two, { method, options, target: classTarget([3, 5]) });
  expect(await rawOf(two, { method, options, target: classTarget([3, 5]) })).toEqual(both);
  for (const [n, classId] of [3, 5].entries()) {
    const one = two.slice(n * x.length, (n + 1) * x.length);
    const alone = await rawOf(one, { method, options, target: classTarget(classId) });
    expect(relativeL2(both.subarray(n * area, (n + 1) * area), alone)).toBeLessThan(1e-4);
  }
});

test.each(names)(
  '%s: no more memory for more steps, which are told and can be stopped',
  async (method) => {
    const planOf = (steps: number) =>
      planExplain(net, placeholder([1, 3, H, W]), { method, options: { steps } });
    const [few, many] = [planOf(2), planOf(20)];
    // Each step has at most two constants of its own, of a binding's 256 bytes.
    expect(many.arenaBytes - few.arenaBytes).toBeLessThanOrEqual(18 * 2 * 256);
    expect(many.submissions - few.submissions).toBe(18);

    const before = net.gpu!.liveBytes;
    const seen: [number, number][] = [];
    const stop = new AbortController();
    const onProgress = (done: number, total: number) => {
      seen.push([done, total]);
      if (done === 2) stop.abort();
    };
    const options = { steps: 5 };
    await expect(rawOf(x, { method, options, onProgress, signal: stop.signal })).rejects.toThrow(
      /abort/i,
    );
    expect(seen.slice(-2)).toEqual([
      [1, 5],
      [2, 5],
    ]);
    expect(net.gpu!.liveBytes - before).toBe(x.byteLength); // the input, which is the test's own
  },
);

test('what does not fit is refused with a clear line', async () => {
  for (const method of names) {
    const target = linearTarget(new Float32Array(8).fill(1));
    await expect(rawOf(x, { method, target })).rejects.toThrow(/choose one/);
  }
  const refused = (method: string, options: object, line: RegExp) =>
    expect(rawOf(x, { method, options: { ...options } })).rejects.toThrow(line);
  await refused(names[1], { area: 0 }, /area 0 should be above 0/);
  await refused(names[1], { area: 1.5 }, /area 1.5 should be above 0/);
  await refused(names[0], { start: 2 }, /starts as 2 should/);
  await refused(names[0], { beta: 0.5 }, /beta is 0.5/);
});
