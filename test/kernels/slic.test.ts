import { expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { rgbToLab } from '../../src/kernels/rgb-to-lab.js';
import { imageNet } from '../../src/kernels/sample-affine.js';
import { type SlicOptions, slic, slicStart } from '../../src/kernels/slic.js';
import { slicAssign } from '../../src/kernels/slic-assign.js';
import { slicTidy } from '../../src/kernels/slic-tidy.js';
import { slicUpdate } from '../../src/kernels/slic-update.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';
import {
  assigned,
  centresOf,
  gridLabels,
  labOf,
  type Sides,
  slicLabels,
  tidied,
} from '../support/reference-segment.js';

const { gpu } = useGpu();
const plain = { mean: [0, 0, 0], std: [1, 1, 1] } as const;

/** Pictures of 0 .. 1 with soft blobs of colour and a little noise. */
function picture(N: number, [H, W]: Sides, noise = 0.03): Ndarray & { data: Float32Array } {
  const shape = [N, 3, H, W];
  const grain = random(shape, 7).data;
  const data = Float32Array.from({ length: N * 3 * H * W }, (_, i) => {
    const [n, c] = [Math.floor(i / (3 * H * W)), Math.floor(i / (H * W)) % 3];
    const [y, x] = [Math.floor(i / W) % H, i % W];
    const wave = Math.sin(y / (5 + c) + n) * Math.cos(x / (7 - c) - 2 * n);
    return Math.min(1, Math.max(0, 0.5 + 0.4 * wave + noise * grain[i]));
  });
  return { shape, data };
}

const labels = async (image: Ndarray, options: SlicOptions) => {
  const r = Recorder.on(gpu());
  const made = slic(r, r.constant(image.data, image.shape), options);
  const [tensor] = await r.run([made.labels]);
  const got = [...(await tensor.readUint())];
  tensor.destroy();
  expect(got.every((s) => s < made.segments)).toBe(true);
  return { got, segments: made.segments };
};

const asLabels = (values: readonly number[], shape: readonly number[]): Ndarray => ({
  shape,
  data: Uint32Array.from(values),
});

// An ulp of a cube root's argument, a third of it each, times 500; pow(x, y) is as good as exp2(y log2 x): a few dozen ulps.
const labBound = () => 1e-3;

for (const [shape, fold] of [
  [[1, 3, 1, 1], false],
  [[2, 3, 5, 7], false],
  [[3, 3, 11, 13], true],
] as const) {
  test(`rgbToLab is its definition: [${shape}] ${fold ? 'folded' : ''}`, async () => {
    const [N, , H, W] = shape;
    const x = random(shape, 3);
    x.data.forEach((v, i) => {
      x.data[i] = 2.5 * v; // some outside 0 .. 1
    });
    const kernel = fold ? folded(rgbToLab) : rgbToLab;
    for (const options of [{}, plain]) {
      const { mean, std } = { ...imageNet, ...options };
      const rgb = Array.from(x.data, (v, i) => {
        const c = Math.floor(i / (H * W)) % 3;
        return v * std[c] + mean[c];
      });
      const { y } = await runKernel(gpu(), kernel, { x }, options);
      expectClose(y, labOf(rgb, N, H * W), labBound);
    }
  });
}

test('rgbToLab: white, black, grey and the primaries', async () => {
  const colours = [
    [1, 1, 1, 100, 0, 0],
    [0, 0, 0, 0, 0, 0],
    [0.5, 0.5, 0.5, 53.389, 0, 0],
    [1, 0, 0, 53.24, 80.09, 67.2],
    [0, 1, 0, 87.74, -86.18, 83.18],
    [0, 0, 1, 32.3, 79.19, -107.86],
  ];
  const planes = (first: number) =>
    Float32Array.from([0, 1, 2].flatMap((c) => colours.map((row) => row[first + c])));
  const x = { shape: [1, 3, 1, colours.length], data: planes(0) };
  const { y } = await runKernel(gpu(), rgbToLab, { x }, plain);
  expectClose(y, planes(3), () => 0.02);
});

const cases = [
  { N: 1, sides: [1, 1], grid: [1, 1] },
  { N: 2, sides: [23, 17], grid: [4, 3] },
  { N: 1, sides: [16, 31], grid: [2, 5] },
  { N: 3, sides: [9, 5], grid: [9, 5] },
] as const;

for (const { N, sides, grid } of cases) {
  const [[H, W], [rows, columns]] = [sides, grid];
  const S = rows * columns;
  const name = `${N} of ${H} x ${W}, ${rows} x ${columns} cells`;
  const lab = () => {
    const data = Float32Array.from(labOf(picture(N, sides).data, N, H * W));
    return { shape: [N, 3, H, W], data };
  };
  const centres = () => {
    const x = lab().data;
    const data = Float32Array.from(centresOf(x, gridLabels(N, sides, grid), N, sides, S));
    return { shape: [N, S, 5], data };
  };

  test(`slicAssign is its definition: ${name}`, async () => {
    const [x, middle] = [lab(), centres()];
    const options = { rows, columns, compactness: 10 };
    const { y } = await runKernel(gpu(), slicAssign, { lab: x, centres: middle }, options);
    const wanted = assigned(x.data, middle.data, N, sides, grid, 10);
    // Distances of up to about 1e4 with a dozen roundings; but nearly all pixels are far from a tie.
    const clear = wanted.margin.map((m) => m > 1e4 * 12 * 2 ** -24);
    expect(clear.filter(Boolean).length).toBeGreaterThan(0.99 * clear.length);
    wanted.labels.forEach((s, i) => {
      if (clear[i]) expect(y[i]).toBe(s);
    });
  });

  const caseReads = { lab: { shape: [N, 3, H, W] } };
  for (const variant of slicUpdate.variantsFor(caseReads, { rows, columns }, testCaps)) {
    test(`slicUpdate ${variant} is its definition: ${name}`, async () => {
      const x = lab();
      // |values| below 110 in Lab, below 31 in place
      const bound = () => (H * W + 4) * 2 ** -24 * 110;
      const start = await runKernel(gpu(), slicUpdate, { lab: x }, { rows, columns }, variant);
      expectClose(start.y, centres().data, bound);
      const marks = assigned(x.data, centres().data, N, sides, grid, 10).labels;
      if (S > 1) {
        // The last superpixel of each image gives its pixels to another one within reach.
        marks.forEach((s, i) => {
          if (s === S - 1) marks[i] = columns > 1 ? S - 2 : S - 1 - columns;
        });
      }
      const inside = marks.map((s, i) => (isWithin(s, i % (H * W), sides, grid) ? s : S));
      const reads = { lab: x, labels: asLabels(inside, [N, H, W]), centres: centres() };
      const { y } = await runKernel(gpu(), slicUpdate, reads, { rows, columns }, variant);
      expectClose(y, centresOf(x.data, inside, N, sides, S, centres().data), bound);
    });
  }

  test(`slic is its definition: ${name}`, async () => {
    const image = picture(N, sides);
    const options = { segments: S, compactness: 10, iterations: 10, ...plain };
    const { got, segments } = await labels(image, options);
    const start = slicStart(H, W, S);
    expect(segments).toBe(start.rows * start.columns);
    const wanted = slicLabels(
      labOf(image.data, N, H * W),
      N,
      sides,
      [start.rows, start.columns],
      options,
    );
    const same = wanted.filter((s, i) => s === got[i]).length;
    expect(same / wanted.length).toBeGreaterThanOrEqual(0.995);
    expect((await labels(image, options)).got).toEqual(got);
  });
}

/** Whether pixel p lies in the 3 x 3 cells around that of superpixel s. */
function isWithin(s: number, p: number, [H, W]: Sides, [rows, columns]: Sides): boolean {
  const row = Math.floor((Math.floor(p / W) * rows) / H);
  const column = Math.floor(((p % W) * columns) / W);
  return Math.abs(row - Math.floor(s / columns)) <= 1 && Math.abs(column - (s % columns)) <= 1;
}

test('slicAssign: a tie goes to the lower index, a NaN to its cell', async () => {
  const lab = { shape: [1, 3, 1, 4], data: new Float32Array(12) };
  lab.data[3] = Number.NaN;
  const centres = { shape: [1, 2, 5], data: Float32Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0, 1) };
  const options = { rows: 1, columns: 2, compactness: 1 };
  const { y } = await runKernel(gpu(), slicAssign, { lab, centres }, options);
  expect([...y]).toEqual([0, 0, 0, 1]);
});

test('the kernels fold', async () => {
  const [N, sides, grid] = [2, [15, 14], [3, 2]] as const;
  const lab = {
    shape: [N, 3, ...sides],
    data: Float32Array.from(labOf(picture(N, sides).data, N, 210)),
  };
  const options = { rows: grid[0], columns: grid[1], compactness: 5 };
  const [centres, wide] = await Promise.all([
    runKernel(gpu(), slicUpdate, { lab }, options),
    runKernel(gpu(), folded(slicUpdate), { lab }, options),
  ]);
  expect(wide.y).toEqual(centres.y);
  const middle = { shape: [N, 6, 5], data: centres.y };
  const one = await runKernel(gpu(), slicAssign, { lab, centres: middle }, options);
  const two = await runKernel(gpu(), folded(slicAssign), { lab, centres: middle }, options);
  expect(two.y).toEqual(one.y);
  const x = { shape: [N, ...sides], data: one.y };
  const tidy = await runKernel(gpu(), folded(slicTidy), { x });
  expect([...tidy.y]).toEqual(tidied([...one.y], N, sides));
});

for (const [N, sides] of [
  [1, [1, 1]],
  [1, [1, 5]],
  [2, [9, 7]],
  [3, [4, 1]],
] as const) {
  test(`slicTidy is its definition: ${N} of ${sides}`, async () => {
    const shape = [N, ...sides];
    for (const [kinds, radius] of [
      [2, 1],
      [5, 2],
      [30, 2],
      [3, 3],
    ]) {
      const values = [...random(shape, kinds).data].map((v) => Math.floor(((v + 1) / 2) * kinds));
      const { y } = await runKernel(gpu(), slicTidy, { x: asLabels(values, shape) }, { radius });
      expect([...y]).toEqual(tidied(values, N, sides, radius));
    }
  });
}

test('slicTidy takes specks away, and leaves a straight border and a tie', async () => {
  // 6 x 8: 1 on the left, 2 on the right, a speck of 1 and one of 3
  const parted = Array.from({ length: 48 }, (_, i): number => (i % 8 < 4 ? 1 : 2));
  const before = parted
    .with(2 * 8 + 6, 1)
    .with(2 * 8 + 7, 1)
    .with(5 * 8, 3);
  const { y } = await runKernel(gpu(), slicTidy, { x: asLabels(before, [1, 6, 8]) });
  expect([...y]).toEqual(parted);
  const each = Array.from({ length: 20 }, (_, i) => 19 - i);
  const same = await runKernel(gpu(), slicTidy, { x: asLabels(each, [1, 4, 5]) });
  expect([...same.y]).toEqual(each);
  // Two labels outvote the middle one: of those the lower.
  const row = await runKernel(gpu(), slicTidy, { x: asLabels([7, 7, 9, 4, 4], [1, 1, 5]) });
  expect(row.y[2]).toBe(4);
  expect(() => slicTidy.plan({ x: { shape: [1, 2, 2] } }, { radius: 0 })).toThrow('radius is 0');
});

test('slic finds shapes that are not the grid: two colours parted off the cells', async () => {
  // 12 x 20, cells of 4 x 4; the border between blue and yellow runs down column 10, in the middle of a cell.
  const [H, W] = [12, 20];
  const data = Float32Array.from({ length: 3 * H * W }, (_, i) => {
    const isBlue = i % W < 10;
    return Math.floor(i / (H * W)) === 2 ? (isBlue ? 1 : 0) : isBlue ? 0 : 1;
  });
  const { got, segments } = await labels({ shape: [1, 3, H, W], data }, { segments: 15, ...plain });
  expect(segments).toBe(15);
  const sides = [0, 1].map((side) => new Set(got.filter((_, i) => i % W < 10 === (side === 0))));
  expect([...sides[0]].filter((s) => sides[1].has(s))).toEqual([]);
  expect(sides[0].size).toBeGreaterThan(3);
});

test('slic of an even image is its grid', async () => {
  const data = new Float32Array(2 * 3 * 12 * 8).fill(0.3);
  const { got, segments } = await labels({ shape: [2, 3, 12, 8], data }, { segments: 6 });
  expect(segments).toBe(6);
  expect(got).toEqual(gridLabels(2, [12, 8], [3, 2]));
});

test('slicStart makes nearly square cells', () => {
  expect(slicStart(224, 224, 50)).toEqual({ rows: 7, columns: 7 });
  expect(slicStart(100, 400, 16)).toEqual({ rows: 2, columns: 8 });
  expect(slicStart(1, 10, 10)).toEqual({ rows: 1, columns: 10 });
  expect(slicStart(1, 100, 2)).toEqual({ rows: 1, columns: 14 });
});

test('slic says what does not fit', () => {
  const r = new Recorder(testCaps);
  const image = r.constant(new Float32Array(48), [1, 3, 4, 4]);
  const wrong = (options: SlicOptions) => () => slic(r, image, options);
  expect(wrong({ segments: 0 })).toThrow('slic: segments is 0, should be a whole number from 1');
  expect(wrong({ segments: 17 })).toThrow("to the image's 16 pixels");
  expect(wrong({ segments: 4, compactness: 0 })).toThrow('compactness is 0, should be above 0');
  expect(wrong({ segments: 4, iterations: 0 })).toThrow('slic: iterations is 0');
  expect(wrong({ segments: 4, std: [1, 0, 1] })).toThrow('rgbToLab: std is [1,0,1]');
  expect(() => slic(r, r.constant(new Float32Array(16), [1, 1, 4, 4]))).toThrow(ShapeError);
  const lab = { shape: [1, 3, 4, 4] };
  const grid = { rows: 2, columns: 2 };
  expect(() => slicUpdate.plan({ lab, labels: { shape: [1, 4, 4] } }, grid)).toThrow(
    'slicUpdate: got labels alone',
  );
  expect(() => slicUpdate.plan({ lab }, { rows: 5, columns: 1 })).toThrow('rows is 5');
  const centres = { shape: [1, 5, 5] };
  expect(() => slicAssign.plan({ lab, centres }, { ...grid, compactness: 1 })).toThrow(
    'slicAssign: 5 centres should be 2 x 2',
  );
});
