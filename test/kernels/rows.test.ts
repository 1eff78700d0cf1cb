import { expect, test } from 'vitest';
import { argmaxRows } from '../../src/kernels/argmax-rows.js';
import { maxRows, minRows } from '../../src/kernels/extreme-rows.js';
import { type NormalizeOptions, normalizeRows } from '../../src/kernels/normalize-rows.js';
import { rowRange } from '../../src/kernels/row-range.js';
import { meanRows, sumRows } from '../../src/kernels/sum-rows.js';
import { topK } from '../../src/kernels/top-k.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';

const { gpu } = useGpu();
const unit = 2 ** -24;
const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];

const shapes = [
  [1, 1],
  [3, 2],
  [2, 64],
  [5, 65],
  [11, 129],
  [2, 4097],
  [1, 150_001],
];
const rowsOf = ({ shape: [N, C], data }: Ndarray) =>
  Array.from({ length: N }, (_, n) => (data as Float32Array).subarray(n * C, (n + 1) * C));

/** Few distinct numbers: ties everywhere. */
const coarse = (shape: readonly number[]): Ndarray => ({
  shape,
  data: random(shape, 5).data.map((v) => Math.round(v * 3) / 2 + 0),
});
const sources: Record<string, (shape: readonly number[]) => Ndarray> = {
  random: (shape) => random(shape, 1),
  coarse,
  below: (shape) => ({ shape, data: random(shape, 2).data.map((v) => v - 3) }),
  above: (shape) => ({ shape, data: random(shape, 3).data.map((v) => v + 3) }),
};

/** Indices in falling order of value, equal ones in rising order. */
const ranking = (row: ArrayLike<number>) =>
  Array.from(row, (_, c) => c).sort((a, b) => row[b] - row[a] || a - b);

for (const shape of shapes) {
  for (const [name, source] of Object.entries(sources)) {
    for (const fold of [false, true]) {
      if ((fold && shape[0] < 4) || (shape[1] > 9999 && name !== 'coarse')) continue;
      test(`row reductions of ${name} numbers are their definitions: [${shape}] ${fold ? 'folded' : ''}`, async () => {
        const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);
        const x = source(shape);
        const rows = rowsOf(x);
        const C = shape[1];
        const sums = rows.map((row) => row.reduce((a, b) => a + b, 0));
        const sizes = rows.map((row) => row.reduce((a, b) => a + Math.abs(b), 0));
        // One lane's sums and the tree's.
        const depth = Math.ceil(C / 64) + 8;
        expectClose(
          (await runKernel(gpu(), f(sumRows), { x })).y,
          sums,
          (n) => depth * unit * sizes[n],
        );
        const means = sums.map((v) => v / C);
        const { y } = await runKernel(gpu(), f(meanRows), { x });
        expectClose(y, means, (n) => ((depth + 5) * unit * sizes[n]) / C);

        const order = rows.map(ranking);
        const most = rows.map((row, n) => row[order[n][0]]);
        const least = rows.map((row, n) => row[order[n][C - 1]]);
        expect([...(await runKernel(gpu(), f(maxRows), { x })).y]).toEqual(most);
        expect([...(await runKernel(gpu(), f(minRows), { x })).y]).toEqual(least);
        expect([...(await runKernel(gpu(), f(argmaxRows), { x })).index]).toEqual(
          order.map((o) => o[0]),
        );
        for (const k of [1, 16]) {
          if (k > C) continue;
          const top = await runKernel(gpu(), f(topK), { x }, { k });
          expect([...top.indices]).toEqual(order.flatMap((o) => o.slice(0, k)));
          expect([...top.values]).toEqual(
            order.flatMap((o, n) => o.slice(0, k).map((c) => rows[n][c])),
          );
        }

        const { range } = await runKernel(gpu(), f(rowRange), { x });
        const nonZero = rows.map((row) => row.filter((v) => v !== 0).length);
        expect([...range]).toEqual(rows.flatMap((_, n) => [least[n], most[n], 0, nonZero[n]]));
      });
    }
  }
}

test('sums of one row do not touch another', async () => {
  const x = { shape: [3, 70], data: new Float32Array(210) };
  x.data.fill(1, 70, 140);
  expect([...(await runKernel(gpu(), sumRows, { x })).y]).toEqual([0, 70, 0]);
  expect([...(await runKernel(gpu(), meanRows, { x })).y]).toEqual([0, 1, 0]);
});

test('extremes, arg-max and top-k order infinities, zeros and NaN', async () => {
  const x = {
    shape: [5, 4],
    data: new Float32Array([
      ...[-inf, -3e38, -inf, -inf],
      ...[inf, 1, -inf, inf],
      ...[-0, 0, -0, -1],
      ...[1, nan, inf, nan],
      ...[-inf, -inf, -inf, -inf],
    ]),
  };
  const index = [1, 0, 0, 1, 0];
  expect([...(await runKernel(gpu(), argmaxRows, { x })).index]).toEqual(index);
  const most = (await runKernel(gpu(), maxRows, { x })).y;
  expect(Array.from(most, (v) => v + 0)).toEqual([Math.fround(-3e38), inf, 0, nan, -inf]);
  const least = (await runKernel(gpu(), minRows, { x })).y;
  expect([...least]).toEqual([-inf, -inf, -1, nan, -inf]);
  const { indices } = await runKernel(gpu(), topK, { x }, { k: 4 });
  expect([...indices]).toEqual([1, 0, 2, 3, 0, 3, 1, 2, 0, 1, 2, 3, 1, 3, 2, 0, 0, 1, 2, 3]);
});

test('rowRange counts what is not finite and what is not zero', async () => {
  const C = 200;
  const data = new Float32Array(5 * C);
  data.set([nan, 5, -inf, inf, -7, -0, nan], 90);
  data.fill(nan, C, 2 * C);
  data.fill(inf, 2 * C, 3 * C);
  new Uint32Array(data.buffer).fill(0xffc00001, 3 * C, 3 * C + 3); // NaN of other bits
  data.fill(-2.5, 4 * C, 5 * C);
  const { range } = await runKernel(gpu(), rowRange, { x: { shape: [5, C], data } });
  expect(rowsOf({ shape: [5, 4], data: range }).map((row) => [...row])).toEqual([
    [-7, 5, 4, 6],
    [0, 0, C, C],
    [0, 0, C, C],
    [0, 0, 3, 3],
    [-2.5, -2.5, 0, C],
  ]);
});

async function normalized(
  x: Ndarray,
  f: <K>(kernel: K) => K = (kernel) => kernel,
  options: NormalizeOptions = {},
) {
  const { range } = await runKernel(gpu(), f(rowRange), { x });
  const reads = { x, range: { shape: [x.shape[0], 4], data: range } };
  return (await runKernel(gpu(), f(normalizeRows), reads, options)).y;
}

for (const scale of [1, 1e-30, 1e-37, 1e30, 1.6e38]) {
  test(`normalizeRows stretches each row of size ${scale} to 0 .. 1`, async () => {
    const { shape, data } = random([5, 333], 2);
    const x = { shape, data: data.map((v, i) => (v + 0.1 * Math.floor(i / 333)) * scale) };
    const y = await normalized(x, (kernel) => folded(kernel as never) as never);
    rowsOf(x).forEach((row, n) => {
      const [least, most] = [Math.min(...row), Math.max(...row)];
      const size = (Math.abs(least) + Math.abs(most)) / (most - least);
      const out = y.subarray(n * 333, (n + 1) * 333);
      // Two differences of rounding error and a quotient; flushed subnormals where numbers are near 2^-126.
      expectClose(
        out,
        Float64Array.from(row, (v) => (v - least) / (most - least)),
        () => (10 + size) * unit + 2 ** -125 / (most - least),
      );
      expect([Math.min(...out), Math.max(...out)]).toEqual([0, 1]);
    });
  });
}

for (const scale of [1, 1e-30, 1e-37, 1e30, 1.6e38]) {
  test(`normalizeRows keeps the sign of rows of size ${scale} where that is asked for`, async () => {
    const { shape, data } = random([5, 333], 2);
    const x = { shape, data: data.map((v, i) => (v + 0.1 * Math.floor(i / 333)) * scale) };
    x.data[7] = 0;
    const y = await normalized(x, (kernel) => folded(kernel as never) as never, { signed: true });
    rowsOf(x).forEach((row, n) => {
      const most = Math.max(...Array.from(row, Math.abs));
      expectClose(
        y.subarray(n * 333, (n + 1) * 333),
        Float64Array.from(row, (v) => 0.5 + v / most / 2),
        () => 11 * unit + 2 ** -125 / most,
      );
    });
    expect(y[7]).toBe(0.5);
  });
}

test('normalizeRows of signed rows: zeros and what is not finite are in the middle, order and sign are kept', async () => {
  const x = {
    shape: [5, 3],
    data: new Float32Array([0, 0, 0, 7.5, 7.5, 7.5, nan, nan, inf, nan, -1, 3, -inf, -8, 4]),
  };
  const y = await normalized(x, undefined, { signed: true });
  const third = Math.fround(2 / 6);
  expect([...y]).toEqual(
    [
      [0.5, 0.5, 0.5],
      [1, 1, 1],
      [0.5, 0.5, 0.5],
      [0.5, third, 1],
      [0.5, 0, 0.75],
    ].flat(),
  );
});

test('normalizeRows gives 0 for constant rows and for what is not finite', async () => {
  const x = {
    shape: [5, 3],
    data: new Float32Array([0, 0, 0, 7.7, 7.7, 7.7, nan, nan, inf, nan, 1, 3, -inf, 5, 1]),
  };
  expect([...(await normalized(x))]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0]);
  const ends = { shape: [1, 3], data: new Float32Array([-3.4e38, 0, 3.4e38]) };
  expect([...(await normalized(ends))]).toEqual([0, 0.5, 1]);
});

test('normalizeRows leaves what is not finite where that is asked for', async () => {
  const rows = [
    [nan, 1, 3, 2],
    [-inf, 5, 5, 5],
    [inf, nan, -inf, inf],
    [-1, 4, inf, 0],
  ];
  const x = { shape: [4, 4], data: Float32Array.from(rows.flat()) };
  const kept = async (signed: boolean) => [
    ...(await normalized(x, undefined, { signed, keepsNonFinite: true })),
  ];
  expect(await kept(false)).toEqual(
    [
      [nan, 0, 1, 0.5],
      [-inf, 0, 0, 0],
      [inf, nan, -inf, inf],
      [0, 1, inf, Math.fround(0.2)],
    ].flat(),
  );
  expect(await kept(true)).toEqual(
    [
      [nan, Math.fround(2 / 3), 1, Math.fround(5 / 6)],
      [-inf, 1, 1, 1],
      [inf, nan, -inf, inf],
      [0.375, 1, inf, 0.5],
    ].flat(),
  );
});

test('topK says what does not fit', () => {
  const x = { shape: [2, 5] };
  expect(() => topK.plan({ x }, { k: 6 })).toThrow(
    'topK: k is 6, should be a whole number from 1 to 5 for rows of 5',
  );
  expect(() => topK.plan({ x: { shape: [1, 99] } }, { k: 17 })).toThrow('from 1 to 16');
  expect(() => topK.plan({ x }, { k: 0 })).toThrow('k is 0');
});
