import { expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { coreCaps } from '../../src/gpu/caps.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { placeholder, type Value } from '../../src/gpu/value.js';
import { fft2d, inverseFft2d, lowPass } from '../../src/kernels/fft2d.js';
import { type Ndarray, useGpu } from '../support/gpu.js';
import { dot, random, relativeL2 } from '../support/numbers.js';
import { dft2, idealLowPass, paired, real } from '../support/reference-fft.js';

const { gpu } = useGpu();

/** What a recording on an array gives. */
async function run(record: (r: Recorder, x: Value) => Value, { data: x, shape }: Ndarray) {
  const r = Recorder.on(gpu());
  const [tensor] = await r.run([record(r, r.constant(x, shape))]);
  const [data] = await gpu().read([tensor]);
  tensor.destroy();
  return { shape: tensor.shape, data: data as Float32Array };
}

test('maps that are not square: definition, round trip, Parseval, linearity', async () => {
  const shape = [3, 7, 12];
  const [x, z] = [random(shape, 1), random(shape, 2)];
  const X = await run(fft2d, x);
  expect(X.shape).toEqual([3, 7, 12, 2]);
  expect(relativeL2(X.data, paired(dft2(real(x.data), shape)))).toBeLessThan(3e-7);

  const back = await run(inverseFft2d, X);
  expect(back.shape).toEqual(shape);
  expect(relativeL2(back.data, x.data)).toBeLessThan(4e-7);

  const energy = dot(x.data, x.data);
  expect(Math.abs(dot(X.data, X.data) / 84 / energy - 1)).toBeLessThan(5e-7);

  const mixed = { shape, data: x.data.map((v, i) => 2 * v - 0.5 * z.data[i]) };
  const Z = await run(fft2d, z);
  const sum = Float64Array.from(X.data, (v, i) => 2 * v - 0.5 * Z.data[i]);
  expect(relativeL2((await run(fft2d, mixed)).data, sum)).toBeLessThan(5e-7);
});

test('half a spectrum is enough for a real map', async () => {
  for (const shape of [
    [2, 5, 8],
    [1, 6, 13],
  ]) {
    const width = shape[2];
    const columns = Math.floor(width / 2) + 1;
    const x = random(shape, 4);
    const back = await run((r, v) => inverseFft2d(r, fft2d(r, v, { columns }), { width }), x);
    expect(relativeL2(back.data, x.data)).toBeLessThan(1e-6);
  }
});

const filters: readonly (readonly [readonly number[], number])[] = [
  [[1, 14, 20], 0],
  [[2, 14, 20], Math.SQRT2],
  [[1, 14, 20], 4],
  [[1, 15, 9], Math.sqrt(3)],
  [[1, 13, 22], 5.5],
  [[3, 6, 10], 100],
  [[1, 1, 30], 7],
  [[1, 30, 1], 7],
];

for (const [shape, cutoff] of filters) {
  test(`low-pass of [${shape}] at ${cutoff} is its definition`, async () => {
    const x = random(shape, 6);
    const y = await run((r, v) => lowPass(r, v, { cutoff }), x);
    expect(y.shape).toEqual(shape);
    const wanted = idealLowPass(x.data, shape, cutoff);
    // At cutoff 0 the mean is left, far smaller than what it is the mean of.
    const size = Math.sqrt(dot(x.data, x.data) / dot(wanted, wanted));
    expect(relativeL2(y.data, wanted)).toBeLessThan(4e-7 * size);
  });
}

test('each map of a batch gets what it gets alone, and filtering twice changes nothing more', async () => {
  const filter = (r: Recorder, v: Value) => lowPass(r, v, { cutoff: 3 });
  const x = random([3, 9, 10], 8);
  const all = await run(filter, x);
  for (let n = 0; n < 3; n++) {
    const part = { shape: [1, 9, 10], data: x.data.slice(90 * n, 90 * n + 90) };
    expect([...(await run(filter, part)).data]).toEqual([...all.data.slice(90 * n, 90 * n + 90)]);
  }
  expect(relativeL2((await run(filter, all)).data, all.data)).toBeLessThan(1e-6);
});

test('the low-pass is three dispatches and computes only the columns it keeps', () => {
  const r = new Recorder(coreCaps);
  const { steps } = r.plan([lowPass(r, placeholder([25, 224, 224]))]);
  expect(steps.map((s) => s.kernel)).toEqual(['fftRows', 'fftColumnsFiltered', 'fftRowsInverse']);
  expect(steps.map((s) => s.sizes.V)).toEqual([36, 36, 36]);
});

test('a constant map passes, and a NaN is not hidden', async () => {
  const x = { shape: [1, 12, 14], data: new Float32Array(168).fill(0.75) };
  const y = await run((r, v) => lowPass(r, v), x);
  expect(relativeL2(y.data, x.data)).toBeLessThan(4e-7);
  x.data[5] = Number.NaN;
  const bad = await run((r, v) => lowPass(r, v, { cutoff: 3 }), x);
  expect([...bad.data].every(Number.isNaN)).toBe(true);
});

test('sizes that do not fit are ShapeErrors', () => {
  const r = new Recorder(coreCaps);
  const x = (...shape: number[]) => placeholder(shape);
  const refused: [() => unknown, string][] = [
    [() => fft2d(r, x(4, 8)), 'fft2d: x [4,8] should be [N,H,W]'],
    [() => fft2d(r, x(1, 4, 2049)), 'a side is 2049'],
    [() => fft2d(r, x(1, 4000, 4)), 'a side is 4000'],
    [() => fft2d(r, x(1, 4, 8), { columns: 9 }), 'columns is 9'],
    [() => inverseFft2d(r, x(1, 4, 8)), 'should be [N,H,V,2]'],
    [() => inverseFft2d(r, x(1, 4, 8, 3)), 'dimension 3 is 3'],
    [() => inverseFft2d(r, x(1, 4, 8, 2), { width: 7 }), 'width is 7'],
    [() => lowPass(r, x(1, 1, 4, 8)), 'lowPass: x [1,1,4,8] should be [N,H,W]'],
    [() => lowPass(r, x(1, 4, 8), { cutoff: -1 }), 'cutoff is -1'],
    [() => lowPass(r, x(1, 4, 8), { cutoff: Number.NaN }), 'cutoff is NaN'],
    [() => lowPass(r, x(1, 0, 8)), 'a side is 0'],
  ];
  for (const [call, words] of refused) {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(words);
  }
});
