import { expect, test } from 'vitest';
import { resizePixels } from '../../src/image/resize.js';
import { preprocessGeometry, sampleMatrix, windowMatrix } from '../../src/image/transform.js';
import { imageNet, sampleAffine } from '../../src/kernels/sample-affine.js';
import { sampleAffineMaps } from '../../src/kernels/sample-affine-maps.js';
import { folded } from '../support/folded.js';
import { runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';
import { channel, sampleMap, syntheticPhoto } from '../support/reference-sample.js';

const { gpu } = useGpu();
const plain = { mean: [0, 0, 0], std: [1, 1, 1] } as const;

const cases = [
  { size: [75, 111], resize: 64, crop: 56 },
  { size: [101, 60], resize: 32, crop: 32 },
  { size: [30, 41], resize: 64, crop: 51 },
  { size: [200, 331], resize: 23, crop: 19 },
  { size: [23, 23], resize: 23, crop: 31 },
  { size: [3, 7], resize: 4, crop: 4 },
  { size: [1, 1], resize: 5, crop: 4 },
] as const;

for (const { size, resize, crop } of cases) {
  for (const filter of ['bilinear', 'bicubic'] as const) {
    test(`sampleAffine is Pillow's resize and crop: ${size} to ${resize}, ${crop}, ${filter}`, async () => {
      const [height, width] = size;
      const photo = syntheticPhoto(height, width);
      const geometry = preprocessGeometry({ width, height }, { resize, crop });
      const bytes = new Uint8Array(photo.data.buffer);
      const resized = resizePixels(bytes, { width, height }, geometry.resized, filter);
      const { x, y } = geometry.crop;
      const at = (c: number, p: number, q: number) => {
        const [h, w] = [p + y, q + x];
        if (h < 0 || w < 0 || h >= geometry.resized.height || w >= geometry.resized.width) return 0;
        return resized[(h * geometry.resized.width + w) * 4 + c];
      };
      const m = { shape: [1, 12], data: sampleMatrix(geometry) };
      const outputSize = [crop, crop] as const;
      const got = await runKernel(
        gpu(),
        sampleAffine,
        { photo, m },
        { outputSize, filter, ...plain },
      );
      const steps = Array.from(got.y, (v) => v * 255);
      let [different, most, fraction] = [0, 0, 0];
      steps.forEach((v, i) => {
        const whole = Math.round(v);
        const golden = at(Math.floor(i / crop ** 2), Math.floor(i / crop) % crop, i % crop);
        fraction = Math.max(fraction, Math.abs(v - whole));
        most = Math.max(most, Math.abs(whole - golden));
        if (whole !== golden) different++;
      });
      expect(fraction).toBeLessThan(1e-3);
      expect(most).toBeLessThanOrEqual(1);
      // A step here and there, where float32 rounds a half the other way.
      expect(different).toBeLessThanOrEqual(steps.length * 0.01);

      const normalized = await runKernel(gpu(), sampleAffine, { photo, m }, { outputSize, filter });
      const expected = Float64Array.from(steps, (v, i) => {
        const c = Math.floor(i / crop ** 2);
        return (Math.round(v) / 255 - imageNet.mean[c]) / imageNet.std[c];
      });
      expectClose(
        normalized.y,
        expected,
        (i) => 8 * 2 ** -24 * (Math.abs(expected[i]) + 0.6 / 0.2),
      );
    });
  }
}

/** Windows of a 40 x 60 photo: x, y, w, h. */
const windows: readonly (readonly [number, number, number, number])[] = [
  [0, 0, 60, 40],
  [60, 0, -60, 40], // left to right
  [7.25, 30, 20.5, -17], // upside down
  [50, 30, 20, 20], // past the edge
  [10, 12, 5, 4], // enlarged
];
const matrices = (P: number, Q: number) => ({
  shape: [windows.length, 12],
  data: Float32Array.from(windows.flatMap(([x, y, w, h]) => [...windowMatrix(x, y, w, h, Q, P)])),
});

for (const filter of ['bilinear', 'bicubic'] as const) {
  for (const outputSize of [
    [13, 17],
    [32, 9],
  ] as const) {
    test(`sampling windows and flips is its definition: ${filter}, ${outputSize}`, async () => {
      const photo = syntheticPhoto(40, 60);
      const m = matrices(outputSize[0], outputSize[1]);
      const area = outputSize[0] * outputSize[1];
      const got = await runKernel(
        gpu(),
        folded(sampleAffine),
        { photo, m },
        { outputSize, filter, round8: false, ...plain },
      );
      // Positions up to 60 carry 2^-18 of rounding, which weighs at most a photo's contrast times the filter's slope.
      const contrast = 20 * 2 ** -18;
      for (let n = 0; n < windows.length; n++)
        for (let c = 0; c < 3; c++) {
          const expected = sampleMap(channel(photo, c), m.data.slice(12 * n), outputSize, filter);
          const y = got.y.slice((n * 3 + c) * area, (n * 3 + c + 1) * area);
          expectClose(
            y,
            expected.map((v) => v / 255),
            () => contrast,
          );
        }

      const x = random([1, 2, 40, 60], 3);
      const two = random([5, 1, 40, 60], 4);
      const maps = await runKernel(
        gpu(),
        folded(sampleAffineMaps),
        { x, m },
        { outputSize, filter },
      );
      const each = await runKernel(gpu(), sampleAffineMaps, { x: two, m }, { outputSize, filter });
      for (let n = 0; n < windows.length; n++)
        for (let c = 0; c < 3; c++) {
          // channels 0 and 1 of the shared photo, then the window's own photo
          const source =
            c < 2
              ? x.data.slice(c * 2400, (c + 1) * 2400)
              : two.data.slice(n * 2400, (n + 1) * 2400);
          const map = { shape: [40, 60], data: source };
          const expected = sampleMap(map, m.data.slice(12 * n), outputSize, filter);
          const at = c < 2 ? (n * 2 + c) * area : n * area;
          expectClose((c < 2 ? maps : each).y.slice(at, at + area), expected, () => 2 * contrast);
        }
    });
  }
}

test('a window flipped twice is the window, a flip is the mirror image', async () => {
  const photo = syntheticPhoto(21, 33);
  const [P, Q] = [8, 11];
  const data = Float32Array.from([
    ...windowMatrix(0, 0, 33, 21, Q, P),
    ...windowMatrix(33, 0, -33, 21, Q, P),
  ]);
  const { y } = await runKernel(
    gpu(),
    sampleAffine,
    { photo, m: { shape: [2, 12], data } },
    { outputSize: [P, Q] },
  );
  const size = 3 * P * Q;
  for (let i = 0; i < size; i++) {
    expect(y[size + i - (i % Q) + Q - 1 - (i % Q)]).toBeCloseTo(y[i], 1);
  }
});

test('a quarter turn samples the turned photo', async () => {
  const photo = syntheticPhoto(6, 4);
  // Output (q, p) of 6 x 4 looks at photo (x, y) = (p, 6 - q).
  const data = Float32Array.from([0, -1, 0, 0, 1, 0, 0, 0, 0, 6, 1, 0]);
  const { y } = await runKernel(
    gpu(),
    sampleAffine,
    { photo, m: { shape: [1, 12], data } },
    { outputSize: [4, 6], ...plain },
  );
  for (let p = 0; p < 4; p++)
    for (let q = 0; q < 6; q++) {
      expect(Math.round(y[p * 6 + q] * 255)).toBe(photo.data[(5 - q) * 4 + p] & 255);
    }
});

test('sampleAffine writes its images of a batch only', async () => {
  const photo = syntheticPhoto(4, 4);
  const m = { shape: [1, 12], data: windowMatrix(0, 0, 4, 4, 4, 4) };
  const initial = new Float32Array(3 * 48).fill(-9);
  const options = { outputSize: [4, 4], n0: 1, nTotal: 3, ...plain } as const;
  const { y } = await runKernel(gpu(), sampleAffine, { photo, m }, options, undefined, initial);
  expect([...y.slice(0, 48), ...y.slice(96)].every((v) => v === -9)).toBe(true);
  expect(Array.from(y.slice(48, 64), (v) => Math.round(v * 255))).toEqual(
    Array.from(photo.data, (v) => v & 255),
  );
});

test('sampling says what does not fit', () => {
  const reads = { photo: { shape: [4, 4] }, m: { shape: [2, 12] } };
  const plan = (options: object) => () =>
    sampleAffine.plan(reads, { outputSize: [4, 4], ...options });
  expect(plan({ n0: 1, nTotal: 2 })).toThrow('images 1 .. 3 should be whole numbers within the 2');
  expect(plan({ std: [1, 0, 1] })).toThrow('std is [1,0,1], should be three numbers');
  expect(plan({ filter: 'nearest' })).toThrow('filter is nearest, should be bilinear or bicubic');
  expect(plan({ outputSize: [4] })).toThrow('outputSize is [4]');
  expect(() =>
    sampleAffineMaps.plan(
      { x: { shape: [3, 1, 4, 4] }, m: { shape: [4, 12] } },
      { outputSize: [2, 2] },
    ),
  ).toThrow('4 windows should be a multiple of the 3 images');
});
