import { expect, test } from 'vitest';
import { Recorder } from '../../src/gpu/recorder.js';
import { pointerJump } from '../../src/kernels/pointer-jump.js';
import { type QuickshiftOptions, quickshift } from '../../src/kernels/quickshift.js';
import { quickshiftDensity } from '../../src/kernels/quickshift-density.js';
import { quickshiftParents } from '../../src/kernels/quickshift-parents.js';
import { rgbToLab } from '../../src/kernels/rgb-to-lab.js';
import { rootFlags } from '../../src/kernels/root-flags.js';
import { rootLabels } from '../../src/kernels/root-labels.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';
import {
  densityOf,
  labOf,
  numbered,
  parentsOf,
  rootsOf,
  type Sides,
} from '../support/reference-segment.js';

const { gpu } = useGpu();
const plain = { mean: [0, 0, 0], std: [1, 1, 1] } as const;

/** Pictures of 0 .. 1 with waves of colour and noise. */
function picture(N: number, [H, W]: Sides): Ndarray & { data: Float32Array } {
  const shape = [N, 3, H, W];
  const grain = random(shape, 11).data;
  const data = Float32Array.from({ length: N * 3 * H * W }, (_, i) => {
    const [n, c] = [Math.floor(i / (3 * H * W)), Math.floor(i / (H * W)) % 3];
    const [y, x] = [Math.floor(i / W) % H, i % W];
    const wave = Math.sin(y / (2 + c) + n) * Math.cos(x / (4 - c) - 2 * n);
    return Math.min(1, Math.max(0, 0.5 + 0.4 * wave + 0.05 * grain[i]));
  });
  return { shape, data };
}

const labels = async (image: Ndarray, options: QuickshiftOptions) => {
  const r = Recorder.on(gpu());
  const made = quickshift(r, r.constant(image.data, image.shape), options);
  const [tensor] = await r.run([made.labels]);
  const got = [...(await tensor.readUint())];
  tensor.destroy();
  expect(tensor.shape).toEqual([image.shape[0], ...image.shape.slice(2)]);
  return { got, segments: made.segments };
};

const words = (values: readonly number[], shape: readonly number[]): Ndarray => ({
  shape,
  data: Uint32Array.from(values),
});

for (const { N, sides, options, fold } of [
  { N: 1, sides: [1, 1], options: { kernelSize: 1, ratio: 1, maxDist: 5 }, fold: false },
  { N: 2, sides: [15, 11], options: { kernelSize: 1, ratio: 0.2, maxDist: 200 }, fold: false },
  { N: 1, sides: [13, 22], options: { kernelSize: 4, ratio: 0.2, maxDist: 200 }, fold: false },
  { N: 3, sides: [12, 9], options: { kernelSize: 1.5, ratio: 0.5, maxDist: 8 }, fold: true },
  { N: 1, sides: [7, 16], options: { kernelSize: 0.3, ratio: 0, maxDist: 1 }, fold: false },
] as const) {
  const [H, W] = sides;
  const size = H * W;

  test(`quickshift is its definition: ${N} of ${sides}, ${JSON.stringify(options)}`, async () => {
    const image = picture(N, sides);
    const lab = {
      shape: [N, 3, H, W],
      data: Float32Array.from(labOf(image.data, N, size)),
    };
    const density = densityOf(lab.data, N, sides, options);
    const { kernelSize, ratio } = options;
    const one = fold ? folded(quickshiftDensity) : quickshiftDensity;
    const { y } = await runKernel(gpu(), one, { lab }, { kernelSize, ratio });
    // Terms of at most 1; an exponent of x is off by a few x 2^-24, its power by that factor: x exp(-x) < 0.4.
    const terms = (2 * Math.ceil(3 * kernelSize) + 1) ** 2;
    expectClose(y, density, (i) => terms * 2 ** -24 * density[i] + terms * 16 * 2 ** -24);

    const two = fold ? folded(quickshiftParents) : quickshiftParents;
    const given = { lab, density: { shape: [N, H, W], data: y } };
    const parents = [...(await runKernel(gpu(), two, given, options)).y];
    const wanted = parentsOf(lab.data, y, N, sides, options);
    const same = wanted.filter((p, i) => p === parents[i]).length;
    expect(same / wanted.length).toBeGreaterThanOrEqual(0.995);
    // Each link leads up, and no farther than the window.
    const roots = rootsOf(parents, N, size);
    expect(roots.every((root) => root < size)).toBe(true);

    const all = await labels(image, { ...options, ...plain, most: 1000 });
    expect(all.segments).toBe(1000);
    const float64 = labOf(image.data, N, size);
    const forest = parentsOf(float64, densityOf(float64, N, sides, options), N, sides, options);
    // Of two pixels that only see each other either may be the root: which superpixels there are decides, not their numbers.
    const [got, final] = [all.got, rootsOf(forest, N, size)].map((s) => inOrder(s, N, size));
    const equal = final.filter((s, i) => s === got[i]).length;
    expect(equal / final.length).toBeGreaterThanOrEqual(0.995);

    // The numbers are exact, given the links.
    const r = Recorder.on(gpu());
    const seen = r.k(rgbToLab, { x: r.constant(image.data, image.shape) }, plain);
    const dense = r.k(quickshiftDensity, { lab: seen }, { kernelSize, ratio });
    const [links] = await r.run([r.k(quickshiftParents, { lab: seen, density: dense }, options)]);
    const ends = rootsOf(await links.readUint(), N, size);
    links.destroy();
    expect(all.got).toEqual(numbered(ends, N, size, 1000));
    const few = await labels(image, { ...options, ...plain, most: 7 });
    expect(few.got).toEqual(numbered(ends, N, size, 7));
  });
}

/** The same superpixels, each numbered by its first pixel. */
const inOrder = (marks: readonly number[], N: number, size: number): number[] =>
  Array.from({ length: N }, (_, n) => {
    const row = marks.slice(n * size, (n + 1) * size);
    return row.map((mark) => row.indexOf(mark));
  }).flat();

/** A picture of one row of grey blocks, each of `side` x `side` pixels. */
function blocks(greys: readonly number[], side: number): Ndarray {
  const W = side * greys.length;
  const plane = Array.from({ length: side * W }, (_, i) => greys[Math.floor((i % W) / side)]);
  return { shape: [1, 3, side, W], data: Float32Array.from([...plane, ...plane, ...plane]) };
}

test('quickshift parts blocks of colour, numbered in the order of their roots', async () => {
  // 50 units of L apart, links of at most 10: none leads into another block. Each root is in the middle of its block, as a window
  // there loses least at the borders, so all lie in one row and are numbered from the left.
  const { got } = await labels(blocks([0, 1, 0.5], 9), {
    ...plain,
    kernelSize: 2,
    ratio: 1,
    maxDist: 10,
  });
  expect(got).toEqual(Array.from({ length: 9 * 27 }, (_, i) => Math.floor((i % 27) / 9)));
});

test('quickshift: labels start again at `most`', async () => {
  const options = { ...plain, kernelSize: 2, ratio: 1, maxDist: 10, most: 2 };
  const { got, segments } = await labels(blocks([0, 1, 0.5], 9), options);
  expect(segments).toBe(2);
  expect(got).toEqual(Array.from({ length: 9 * 27 }, (_, i) => Math.floor((i % 27) / 9) % 2));
});

test('quickshift: an even picture is one superpixel', async () => {
  const data = new Float32Array(2 * 3 * 21 * 34).fill(0.4);
  const { got } = await labels({ shape: [2, 3, 21, 34], data }, { kernelSize: 1 });
  expect(new Set(got)).toEqual(new Set([0]));
});

test('a plateau hangs on its pixel of lowest index, by way of the nearest', async () => {
  const lab = { shape: [1, 3, 2, 4], data: new Float32Array(24) };
  const density = { shape: [1, 2, 4], data: Float32Array.of(1, 1, 1, 2, 1, 1, 1, 1) };
  const options = { kernelSize: 1, ratio: 1, maxDist: 2 };
  const { y } = await runKernel(gpu(), quickshiftParents, { lab, density }, options);
  // Of 1 and 3, as near, 2 takes the lower, though 3 is denser; 0 sees only 3, which is too far.
  expect([...y]).toEqual([0, 0, 1, 3, 0, 1, 2, 3]);
});

for (const [N, C, fold] of [
  [1, 1, false],
  [3, 40, false],
  [2, 131, true],
] as const) {
  test(`pointerJump, rootFlags and rootLabels are their definitions: [${N},${C}]`, async () => {
    const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);
    const draws = random([N, C], 5).data;
    // a forest: each element hangs on one before it, or on none
    const values = Array.from(draws, (v, i) => Math.max(0, (i % C) - Math.floor(3 * (v + 0.9))));
    const parents = words(
      values.map((p, i) => Math.min(p, i % C)),
      [N, C],
    );
    const jumped = (await runKernel(gpu(), f(pointerJump), { parents })).y;
    const at = (i: number) => i - (i % C);
    expect([...jumped]).toEqual([...parents.data].map((p, i) => parents.data[at(i) + p]));
    const flags = (await runKernel(gpu(), f(rootFlags), { parents })).y;
    expect([...flags]).toEqual([...parents.data].map((p, i) => Number(p === i % C)));

    const roots = rootsOf(parents.data, N, C);
    const numbers = Array.from(flags, (_, i) =>
      [...flags.slice(at(i), i)].reduce((sum, v) => sum + v, 0),
    );
    for (const most of [1, 3, 1000]) {
      const reads = { roots: words(roots, [N, C]), numbers: words(numbers, [N, C]) };
      const { y } = await runKernel(gpu(), f(rootLabels), reads, { most });
      expect([...y]).toEqual(numbered(roots, N, C, most));
    }
  });
}

test('a long chain comes to its root', async () => {
  // Ever less dense from left to right, and only the next pixel within reach.
  const W = 100;
  const lab = new Float32Array(3 * W);
  const density = { shape: [1, 1, W], data: Float32Array.from({ length: W }, (_, i) => W - i) };
  const reads = { lab: { shape: [1, 3, 1, W], data: lab }, density };
  const options = { kernelSize: 1, ratio: 0, maxDist: 1 };
  let { y } = await runKernel(gpu(), quickshiftParents, reads, options);
  expect([...y].slice(0, 4)).toEqual([0, 0, 1, 2]);
  for (let length = 1; length < W; length *= 2) {
    y = (await runKernel(gpu(), pointerJump, { parents: { shape: [1, W], data: y } })).y;
  }
  expect(new Set(y)).toEqual(new Set([0]));
});

test('quickshift says what does not fit', () => {
  const r = new Recorder(testCaps);
  const image = r.constant(new Float32Array(48), [1, 3, 4, 4]);
  const wrong = (options: QuickshiftOptions) => () => quickshift(r, image, options);
  expect(wrong({ kernelSize: 0 })).toThrow('kernelSize is 0, should be above 0 and at most 64');
  expect(wrong({ ratio: -1 })).toThrow('ratio is -1, should be 0 or more');
  expect(wrong({ maxDist: 0 })).toThrow('maxDist is 0, should be above 0');
  expect(wrong({ most: 0 })).toThrow('most is 0, should be a whole number from 1 on');
  expect(wrong({ mean: [0, 0, Number.NaN] })).toThrow('rgbToLab: mean is');
});
