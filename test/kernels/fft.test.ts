import { expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { coreCaps } from '../../src/gpu/caps.js';
import { maxFftSide, twiddleCount, twiddles } from '../../src/kernels/fft.js';
import { fftColumns, fftColumnsFiltered } from '../../src/kernels/fft-columns.js';
import { fftRows } from '../../src/kernels/fft-rows.js';
import { fftRowsInverse } from '../../src/kernels/fft-rows-inverse.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random, relativeL2 } from '../support/numbers.js';
import { type Complex, dft, paired, real, unpaired } from '../support/reference-fft.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

/** Products of 2, 3, 5 and 7, and sides with other primes. */
const smooth = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 16, 21, 25, 28, 35, 49, 96, 112, 224];
const others = [11, 13, 22, 97];

const table = (side: number): Ndarray => ({
  shape: [twiddleCount(side), 2],
  data: twiddles(side),
});

const variants = fftRows.variantsFor({ x: { shape: [1, 1, 8] }, t: table(8) }, {}, testCaps);

/** Bluestein takes two transforms of two to four times the side, and their numbers are larger than the result's. */
const isSmooth = (n: number): boolean => {
  const prime = [2, 3, 5, 7].find((p) => n % p === 0);
  return n === 1 || (prime !== undefined && isSmooth(n / prime));
};
const accuracy = (side: number) => (isSmooth(side) ? 5 : 12) * unit;

/** Every line of the spectrum within a share of its own size, and every number within one of the line's largest possible. */
function expectSpectrum(
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  side: number,
  size: number,
) {
  expect(relativeL2(got, wanted)).toBeLessThan(accuracy(side));
  expectClose(got, wanted, () => accuracy(side) * size + 2 ** -100);
}

/** The first `V` of each `W` numbers. */
const cut = ({ re, im }: Complex, W: number, V: number): Complex => {
  const isKept = (_: number, i: number) => i % W < V;
  return { re: re.filter(isKept), im: im.filter(isKept) };
};

/** Columns go through the same stages as rows: each radix, each pair of them, and Bluestein. */
const columnSides = [1, 3, 14, 16, 22, 35, 97];

/** Pipelines take their time to compile here: each side has the variant that this machine picks, a few have all. */
const sides = [...smooth, ...others].flatMap((side) =>
  [undefined, ...([3, 22, 35].includes(side) ? variants : [])].map((variant) => ({
    side,
    variant,
  })),
);

for (const { side, variant } of sides) {
  test(`lines of ${side} are the definition's (${variant ?? 'automatic'})`, async () => {
    const t = table(side);
    // An odd number of rows: the last one is a line of its own.
    const x = random([2, 3, side], side);
    const spectrum = dft(real(x.data), [6, side, 1]);
    const columns = side % 3 ? Math.floor(side / 2) + 1 : side;
    const { y } = await runKernel(gpu(), fftRows, { x, t }, { columns }, variant);
    expectSpectrum(y, paired(cut(spectrum, side, columns)), side, side);

    const z = { shape: [2, 3, columns, 2], data: y };
    const back = await runKernel(gpu(), fftRowsInverse, { x: z, t }, { width: side }, variant);
    expectSpectrum(
      back.y,
      x.data.map((v) => v / 3), // the factor is 1 / (H W)
      side,
      1,
    );

    if (!columnSides.includes(side)) return;
    const c = random([2, side, 5, 2], side + 1);
    for (const inverse of [false, true]) {
      const wanted = dft(unpaired(c.data), [2, side, 5], inverse ? -1 : 1);
      const got = await runKernel(gpu(), fftColumns, { x: c, t }, { inverse }, variant);
      expectSpectrum(got.y, paired(wanted), side, 2 * side);
    }
  });
}

// 1021 takes all of workgroup memory for Bluestein's convolution, 1031 takes two halves; 2048 is the longest side.
for (const side of [1021, 1031, 2048]) {
  test(`a row of ${side} is the definition's`, async () => {
    const x = random([1, 1, side], side);
    const { y } = await runKernel(gpu(), fftRows, { x, t: table(side) });
    expectSpectrum(y, paired(dft(real(x.data), [1, side, 1])), side, side);
  });
}

for (const side of [1031]) {
  test(`columns of ${side} there and back are ${side} times themselves`, async () => {
    const x = random([1, side, 1, 2], side);
    const all = { cutoff: Number.POSITIVE_INFINITY };
    const { y } = await runKernel(gpu(), fftColumnsFiltered, { x, t: table(side) }, all);
    expectSpectrum(
      y,
      x.data.map((v) => v * side),
      side,
      side,
    );
  });
}

test('of a spectrum that no real map has, the inverse is the real part', async () => {
  for (const [H, W] of [
    [3, 8],
    [2, 7],
    [5, 13],
  ]) {
    const x = random([2, H, W, 2], H);
    const wanted = dft(unpaired(x.data), [2 * H, W, 1], -1).re.map((v) => v / (H * W));
    const { y } = await runKernel(gpu(), fftRowsInverse, { x, t: table(W) });
    expectSpectrum(y, wanted, W, 2);
  }
});

test('columns of a spectrum that are not there are mirrored, or else 0', async () => {
  const [H, W, V] = [3, 12, 4];
  const x = random([1, H, V, 2], 5);
  const whole = { re: new Float64Array(H * W), im: new Float64Array(H * W) };
  const given = unpaired(x.data);
  for (let h = 0; h < H; h++)
    for (let v = 0; v < V; v++) {
      whole.re[h * W + v] = given.re[h * V + v];
      whole.im[h * W + v] = given.im[h * V + v];
      if (v === 0) continue;
      whole.re[h * W + W - v] = given.re[h * V + v];
      whole.im[h * W + W - v] = -given.im[h * V + v];
    }
  const wanted = dft(whole, [H, W, 1], -1).re.map((v) => v / (H * W));
  const { y } = await runKernel(gpu(), fftRowsInverse, { x, t: table(W) }, { width: W });
  expectSpectrum(y, wanted, W, 2);
});

test('more workgroups than a dimension holds', async () => {
  const [H, W] = [9, 12];
  const x = random([5, H, W], 3);
  const t = table(W);
  for (const variant of [variants[0]]) {
    const rows = await runKernel(gpu(), folded(fftRows), { x, t }, {}, variant);
    expectSpectrum(rows.y, paired(dft(real(x.data), [5 * H, W, 1])), W, W);
    const z = { shape: [5, H, W, 2], data: rows.y };
    const c = await runKernel(gpu(), folded(fftColumns), { x: z, t: table(H) }, {}, variant);
    expectSpectrum(c.y, paired(dft(unpaired(rows.y), [5, H, W])), H, 4 * W * H);
    const back = await runKernel(gpu(), folded(fftRowsInverse), { x: z, t }, {}, variant);
    expectSpectrum(
      back.y,
      x.data.map((v) => v / H),
      W,
      1,
    );
  }
});

test('a row is transformed as if it were alone', async () => {
  const [one, two] = [random([1, 2, 30], 1), random([1, 2, 30], 2)];
  const both = { shape: [2, 2, 30], data: Float32Array.of(...one.data, ...two.data) };
  const t = table(30);
  for (const variant of [variants[0]]) {
    const run = async (x: Ndarray) => (await runKernel(gpu(), fftRows, { x, t }, {}, variant)).y;
    expect([...(await run(both))]).toEqual([...(await run(one)), ...(await run(two))]);
  }
});

test('twiddles are the roots of one, rounded once', () => {
  for (const side of [1, 2, 12, 224, 2048]) {
    const t = twiddles(side);
    expect(t.length).toBe(2 * twiddleCount(side));
    for (let j = 0; j < side; j++) {
      const angle = (-2 * Math.PI * j) / side;
      expect(Math.abs(t[2 * j] - Math.cos(angle))).toBeLessThanOrEqual(unit / 2 + 1e-15);
      expect(Math.abs(t[2 * j + 1] - Math.sin(angle))).toBeLessThanOrEqual(unit / 2 + 1e-15);
    }
    // Places and frequencies are each other's inverse.
    const [place, frequency] = [0, 1].map((k) => (i: number) => t[2 * (side + i) + k]);
    for (let i = 0; i < side; i++) expect(frequency(place(i))).toBe(i);
  }
  expect([...twiddles(4).slice(0, 8)].map((v) => v + 0)).toEqual([1, 0, 0, -1, -1, 0, 0, 1]);
});

test('a workgroup keeps within what every device has', () => {
  for (const side of [2, 97, 224, 1021, 1031, maxFftSide]) {
    for (const kind of ['gpu', 'software'] as const) {
      const caps = { ...coreCaps, kind };
      const { constants } = fftRows.plan(
        { x: { shape: [4, 8, side] }, t: table(side) },
        {},
        { caps },
      );
      const { P, LINES, GX, CHIRP } = constants;
      expect(8 * P * LINES).toBeLessThanOrEqual(caps.limits.maxComputeWorkgroupStorageSize);
      expect(GX).toBeLessThanOrEqual(caps.limits.maxComputeInvocationsPerWorkgroup);
      if (CHIRP) expect(8 * GX).toBeGreaterThanOrEqual(P * LINES);
    }
  }
});

test('sizes that do not fit are ShapeErrors', () => {
  const x = (shape: number[]) => ({ shape });
  const t = table(8);
  const refused: [() => unknown, string][] = [
    [() => twiddles(0), 'from 1 to 2048'],
    [() => twiddles(2049), 'a side is 2049'],
    [() => twiddleCount(2.5), 'a side is 2.5'],
    [() => twiddles(Number.NaN), 'a side is NaN'],
    [() => fftRows.plan({ x: x([1, 4, 2049]), t }), 'a side is 2049'],
    [() => fftRows.plan({ x: x([1, 4, 9]), t }), 't [16,2] should be [18,2]: twiddles(9)'],
    [() => fftRows.plan({ x: x([4, 8]), t }), '3 dimensions'],
    [() => fftRows.plan({ x: x([1, 4, 8]), t }, { columns: 0 }), 'columns is 0'],
    [() => fftRows.plan({ x: x([1, 4, 8]), t }, { columns: 9 }), 'from 1 to W = 8'],
    [() => fftRows.plan({ x: x([1, 4, 8]), t }, { columns: 2.5 }), 'columns is 2.5'],
    [() => fftColumns.plan({ x: x([1, 9, 4, 2]), t }), 'fftColumns: t [16,2]'],
    [() => fftColumns.plan({ x: x([1, 8, 4, 3]), t }), 'dimension 3 is 3'],
    [() => fftColumns.plan({ x: x([1, 4096, 4, 2]), t }), 'a side is 4096'],
    [() => fftColumnsFiltered.plan({ x: x([1, 8, 4, 2]), t }, { cutoff: -1 }), 'cutoff is -1'],
    [
      () => fftColumnsFiltered.plan({ x: x([1, 8, 4, 2]), t }, { cutoff: Number.NaN }),
      'cutoff is NaN',
    ],
    [
      () => fftColumnsFiltered.plan({ x: x([1, 8, 4, 2]), t }, { cutoff: 1, width: 3 }),
      'at least V = 4',
    ],
    [
      () => fftColumnsFiltered.plan({ x: x([1, 8, 4, 2]), t }, { cutoff: 1, width: 4000 }),
      'a side is 4000',
    ],
    [() => fftRowsInverse.plan({ x: x([1, 4, 9, 2]), t }, { width: 8 }), 'at least V = 9'],
    [() => fftRowsInverse.plan({ x: x([1, 4, 5, 2]), t }), 'twiddles(5)'],
    [() => fftRowsInverse.plan({ x: x([1, 4, 5, 2]), t }, { width: 3000 }), 'a side is 3000'],
  ];
  for (const [call, words] of refused) {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(words);
  }
});
