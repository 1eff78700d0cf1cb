import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Recorder } from '../../src/gpu/recorder.js';
import { digitCounts } from '../../src/kernels/digit-counts.js';
import { digitMove } from '../../src/kernels/digit-move.js';
import { rankPixels } from '../../src/kernels/rank-pixels.js';
import { scanRows } from '../../src/kernels/scan-rows.js';
import { folded } from '../support/folded.js';
import { goldenDir, hasFolder, readTensors } from '../support/folders.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { random } from '../support/numbers.js';

const { gpu } = useGpu();
const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];

async function ranked(x: Ndarray, options?: { rising: boolean }): Promise<number[][]> {
  const r = Recorder.on(gpu());
  const [order] = await r.run([rankPixels(r, r.constant(x.data, x.shape), options)]);
  const flat = [...(await order.readUint())];
  order.destroy();
  const [N, C] = order.shape;
  expect(C).toBe(x.data.length / N);
  return Array.from({ length: N }, (_, n) => flat.slice(n * C, (n + 1) * C));
}

/** Indices by value, those of equal values in rising order; a NaN counts as largest. */
function ranking(row: ArrayLike<number>, rising = false): number[] {
  const compare = (a: number, b: number) => {
    const [left, right] = [a, b].map((v) => (Number.isNaN(v) ? 2 : Number(v === inf)));
    // inf - inf is NaN
    return right - left || (a === b || left === 2 ? 0 : b - a);
  };
  return Array.from(row, (_, c) => c).sort(
    (a, b) => (rising ? -1 : 1) * compare(row[a], row[b]) || a - b,
  );
}

const rowsOf = ({ shape: [N], data }: Ndarray) => {
  const C = data.length / N;
  return Array.from({ length: N }, (_, n) => data.subarray(n * C, (n + 1) * C));
};

const sources: Record<string, (shape: readonly number[]) => Ndarray> = {
  random: (shape) => random(shape, 1),
  coarse: (shape) => ({ shape, data: random(shape, 5).data.map((v) => Math.round(v * 3) / 2) }),
  constant: (shape) => ({ shape, data: random(shape, 7).data.fill(0.25) }),
  'of all sizes': (shape) => ({
    shape,
    data: random(shape, 8).data.map((v, i) => v * 10 ** ((i % 61) - 30)),
  }),
  special: (shape) => ({
    shape,
    data: random(shape, 9).data.map((v, i) => [v, nan, -inf, 0, inf, -0, -1][i % 7]),
  }),
};

for (const shape of [
  [1, 1],
  [5, 16, 16],
  [2, 257],
  [70, 13, 13],
  [2, 66_000],
]) {
  for (const [name, source] of Object.entries(sources)) {
    if (shape[1] > 200 && name !== 'random' && name !== 'coarse') continue;
    test(`rankPixels sorts ${name} numbers: [${shape}]`, async () => {
      const x = source(shape);
      // The other way in some: each is twelve pipelines.
      for (const rising of shape[1] === 16 ? [false, true] : [false]) {
        const got = (await ranked(x, { rising })).flat();
        const wanted = rowsOf(x).flatMap((row) => ranking(row, rising));
        // Not toEqual: it takes minutes to print what differs in long lists.
        expect(got.length).toBe(wanted.length);
        expect(got.findIndex((v, i) => v !== wanted[i])).toBe(-1);
      }
    });
  }
}

test('rankPixels: largest first, ties by index', async () => {
  const x = { shape: [2, 4], data: Float32Array.of(1, 3, 3, 2, -0, 0, -1, nan) };
  expect(await ranked(x)).toEqual([
    [1, 2, 3, 0],
    [3, 0, 1, 2],
  ]);
  expect(await ranked(x, { rising: true })).toEqual([
    [0, 3, 1, 2],
    [2, 0, 1, 3],
  ]);
});

describe.runIf(hasFolder(goldenDir))('golden ranking', () => {
  const golden = readTensors(join(goldenDir, 'eval/eval.safetensors'));
  for (const name of ['a.distinct', 'a.gradcam', 'b.gradcam']) {
    test(`the first thousand pixels of ${name}`, async () => {
      const map = golden(`${name}.map`)!;
      const [order] = await ranked({ shape: [1, ...map.shape], data: map.data });
      expect(order.slice(0, 1000)).toEqual([...golden(`${name}.order_first1000`)!.data]);
    });
  }
});

/** Powers of two with a known top byte of their order: 0x80 and the exponent. */
const bytes = (shape: readonly number[]): Ndarray => ({
  shape,
  data: random(shape, 3).data.map((v) => 2 ** (2 * Math.floor(4 * v + 4) + 1 - 127 + 126)),
});
/** Digit 3 of rising order: sign, then all but the last bit of the exponent. */
const topByte = (v: number) => 128 + (Math.log2(v) + 127 - 1) / 2 + 0;

for (const fold of [false, true]) {
  test(`digitCounts and digitMove are their definitions ${fold ? 'folded' : ''}`, async () => {
    const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);
    const [N, C] = fold ? [200, 3] : [3, 600];
    const x = bytes([N, C]);
    // every index once
    const order = {
      shape: [N, C],
      data: Uint32Array.from(x.data, (_, i) => C - 1 - (i % C)),
    };
    const options = { digit: 3, rising: true };
    const { counts } = await runKernel(gpu(), f(digitCounts), { x, order }, options);
    const T = counts.length / N / 256;
    expect(T).toBe(fold ? 1 : 3);
    const length = Math.ceil(C / T);
    const wanted = new Uint32Array(counts.length);
    for (let i = 0; i < N * C; i++) {
      const n = Math.floor(i / C);
      const value = x.data[n * C + order.data[i]] as number;
      wanted[(n * 256 + topByte(value)) * T + Math.floor((i % C) / length)]++;
    }
    expect(counts).toEqual(wanted);

    const starts = new Uint32Array(counts.length);
    for (let i = 1; i < starts.length; i++) {
      starts[i] = i % (256 * T) === 0 ? 0 : starts[i - 1] + wanted[i - 1];
    }
    const given = { x, order, starts: { shape: [N, 256, T], data: starts } };
    const { y } = await runKernel(gpu(), f(digitMove), given, options);
    const rows = rowsOf(x).map((row) =>
      Array.from(row, (_, c) => c).sort((a, b) => row[a] - row[b] || b - a),
    );
    expect([...y]).toEqual(rows.flat());
  });
}

for (const shape of [
  [1, 1],
  [3, 5],
  [5, 64],
  [7, 129],
  [2, 50_176],
]) {
  test(`scanRows is its definition: [${shape}]`, async () => {
    const [N, C] = shape;
    const data = Uint32Array.from(random(shape, 2).data, (v) => Math.floor((v + 1) * 2 ** 30));
    const wanted = new Uint32Array(N * C);
    for (let i = 0; i < N * C; i++) wanted[i] = i % C === 0 ? 0 : wanted[i - 1] + data[i - 1];
    const x = { shape, data };
    for (const variant of scanRows.variantsFor({ x }, {}, testCaps)) {
      expect((await runKernel(gpu(), scanRows, { x }, {}, variant)).y).toEqual(wanted);
    }
    if (N > 3) expect((await runKernel(gpu(), folded(scanRows), { x })).y).toEqual(wanted);
  });
}

test('a round says what does not fit', () => {
  const x = { shape: [2, 8] };
  expect(() => digitCounts.plan({ x }, { digit: 4 })).toThrow(
    'digitCounts: digit is 4, should be a whole number from 0 to 3',
  );
  expect(() => digitMove.plan({ x, starts: { shape: [2, 16, 1] } }, { digit: 0 })).toThrow(
    'digitMove: starts [2,16,1] should be [N 256 T]',
  );
});
