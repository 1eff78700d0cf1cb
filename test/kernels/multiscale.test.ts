import { expect, test } from 'vitest';
import { Recorder } from '../../src/gpu/recorder.js';
import { addResized } from '../../src/kernels/add-resized.js';
import { keepsClass } from '../../src/kernels/keeps-class.js';
import { keptShares } from '../../src/kernels/kept-shares.js';
import { multiscaleProduct } from '../../src/kernels/multiscale-product.js';
import { packRows } from '../../src/kernels/pack-rows.js';
import { resizedMean } from '../../src/kernels/resized-mean.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';
import * as reference from '../support/reference-resize.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

for (const { x: shape, outputSize } of [
  { x: [1, 1, 1, 1], outputSize: [1, 1] },
  { x: [2, 3, 5, 9], outputSize: [17, 23] },
  { x: [3, 2, 13, 8], outputSize: [6, 20] },
] as const) {
  for (const first of [true, false]) {
    for (const gated of [true, false]) {
      test(`addResized is its definition: [${shape}] to [${outputSize}]${first ? ', first' : ''}${gated ? ', gated' : ''}`, async () => {
        const x = random(shape, 1);
        const ref = reference.resizeBilinear(x, outputSize, false);
        const gate = gated ? random([shape[0]], 2) : undefined;
        const before = random([ref.y.length], 3).data;
        const given = first ? before.slice().fill(Number.NaN) : before;
        const run = (kernel: typeof addResized) =>
          runKernel(gpu(), kernel, { x, gate }, { outputSize, first }, undefined, given);
        const { y } = await run(addResized);
        const image = ref.y.length / shape[0];
        const share = (i: number) => gate?.data[Math.floor(i / image)] ?? 1;
        const held = (i: number) => (first ? 0 : before[i]);
        expectClose(
          y,
          ref.y.map((v, i) => held(i) + share(i) * v),
          (i) => unit * (20 * ref.size[i] + 24 + Math.abs(held(i))),
        );
        if (y.length > 200) expect((await run(folded(addResized))).y).toEqual(y);
      });
    }
  }
}

test('addResized keeps what is there where the gate is 0, and takes its own size as it is', async () => {
  const x = random([3, 2, 4, 5], 1);
  x.data.fill(Number.NaN, 40, 80);
  const gate = { shape: [3], data: new Float32Array([1, 0, 2]) };
  const options = { outputSize: [4, 5], first: false } as const;
  const before = new Float32Array(120).fill(0.5);
  const { y } = await runKernel(gpu(), addResized, { x, gate }, options, undefined, before);
  const want = x.data.map((v, i) => Math.fround(0.5 + (i < 80 ? v : 2 * v)));
  expect(y).toEqual(want.fill(0.5, 40, 80));
});

test('a sum over sizes, recorded', async () => {
  const r = Recorder.on(gpu());
  const outputSize = [7, 9] as const;
  const scales = [random([2, 3, 4, 5], 1), random([2, 3, 7, 9], 2), random([2, 3, 11, 3], 3)];
  const shares = [
    [1, 0.5],
    [0, 1],
    [2, 0],
  ];
  const whole = r.blank([2, 3, ...outputSize]);
  scales.forEach((scale, t) => {
    const x = r.constant(scale.data, scale.shape);
    const gate = r.constant(new Float32Array(shares[t]));
    r.k(addResized, { x, gate }, { outputSize, first: t === 0 }, { into: whole });
  });
  const [y] = await r.run([whole]);
  const want = new Float64Array(whole.size);
  scales.forEach((scale, t) => {
    const ref = reference.resizeBilinear(scale, outputSize, false);
    ref.y.forEach((v, i) => {
      want[i] += shares[t][Math.floor(i / (want.length / 2))] * v;
    });
  });
  expectClose(await y.read(), want, () => 200 * unit);
  y.destroy();
});

test('addResized says what does not fit', () => {
  const x = { shape: [1, 1, 4, 4] };
  expect(() => addResized.plan({ x }, { outputSize: [4, 0], first: true })).toThrow('outputSize');
  expect(() =>
    addResized.plan({ x, gate: { shape: [2] } }, { outputSize: [4, 4], first: true }),
  ).toThrow('gate [2] should be [N]: N is 1 in x');
});

test('packRows writes its part and no other', async () => {
  for (const kernel of [packRows, folded(packRows)]) {
    const x = random([2, 5, 30], 1);
    const before = random([340], 2).data;
    const options = { offset: 33, total: 340 };
    const { y } = await runKernel(gpu(), kernel, { x }, options, undefined, before);
    const want = before.slice();
    want.set(x.data, 33);
    expect(y).toEqual(want);
  }
  const all = await runKernel(gpu(), packRows, { x: random([3], 1) }, { offset: 0, total: 3 });
  expect(all.y).toEqual(random([3], 1).data);
});

test('packRows says what does not fit', () => {
  const x = { shape: [4] };
  for (const options of [
    { offset: -1, total: 9 },
    { offset: 6, total: 9 },
    { offset: 0.5, total: 9 },
  ]) {
    expect(() => packRows.plan({ x }, options)).toThrow('should be whole numbers within the 9');
  }
});

/** Seeded a and g of several sizes, packed with NaN between them. */
function packed(N: number, K: number, sizes: readonly (readonly [number, number])[]) {
  const offsets: number[] = [];
  let end = 0;
  for (const [h, w] of sizes) {
    offsets.push(end + 2);
    end += 2 + N * K * h * w;
  }
  const pack = (seed: number) => {
    const data = new Float32Array(end).fill(Number.NaN);
    const parts = sizes.map(([h, w], t) => random([N, K, h, w], 10 * seed + t));
    parts.forEach((part, t) => {
      data.set(part.data, offsets[t]);
    });
    return { whole: { shape: [end], data }, parts };
  };
  const table = sizes.flatMap(([h, w], t) => [offsets[t], h, w]);
  const scales = { shape: [sizes.length, 3], data: Uint32Array.from(table) };
  return { a: pack(1), g: pack(2), scales, offsets };
}

/** Mean over scales of the enlarged maps, with the error that float32 may add to each element. */
function meanOverScales(
  parts: readonly Ndarray[],
  shares: Ndarray,
  size: readonly [number, number],
) {
  const [T, N] = shares.shape;
  const resized = parts.map((part) => reference.resizeBilinear(part, size, false));
  const length = resized[0].y.length;
  const y = new Float64Array(length);
  const error = new Float64Array(length);
  for (let t = 0; t < T; t++) {
    for (let i = 0; i < length; i++) {
      const share = shares.data[t * N + Math.floor(i / (length / N))];
      y[i] += share * resized[t].y[i];
      error[i] += Math.abs(share) * unit * ((20 + T) * resized[t].size[i] + 24);
    }
  }
  return { y, error };
}

for (const { N, K, sizes, outputSize } of [
  { N: 1, K: 1, sizes: [[1, 1]], outputSize: [1, 1] },
  {
    N: 2,
    K: 6,
    sizes: [
      [3, 4],
      [5, 5],
      [13, 2],
    ],
    outputSize: [9, 11],
  },
  {
    N: 3,
    K: 8,
    sizes: [
      [7, 7],
      [2, 9],
    ],
    outputSize: [7, 7],
  },
  { N: 1, K: 3, sizes: [[14, 14]], outputSize: [40, 33] },
  {
    N: 2,
    K: 2,
    sizes: [
      [5, 17],
      [9, 30],
    ],
    outputSize: [6, 7],
  },
  {
    N: 3,
    K: 1,
    sizes: Array.from({ length: 16 }, (_, t) => [1 + t, 17 - t] as const),
    outputSize: [5, 6],
  },
] as const) {
  const { a, g, scales } = packed(N, K, sizes);
  const shares = random([sizes.length, N], 3);
  const reads = { a: a.whole, g: g.whole, scales, shares };
  const options = { channels: K, outputSize };
  for (const variant of multiscaleProduct.variantsFor(reads, options, testCaps)) {
    test(`multiscaleProduct ${variant} is its definition: ${JSON.stringify({ N, K, sizes, outputSize })}`, async () => {
      const { y } = await runKernel(gpu(), multiscaleProduct, reads, options, variant);
      const [A, G] = [a, g].map(({ parts }) => meanOverScales(parts, shares, outputSize));
      const area = outputSize[0] * outputSize[1];
      const want = new Float64Array(N * area);
      const bound = new Float64Array(N * area);
      A.y.forEach((v, i) => {
        const at = Math.floor(i / (K * area)) * area + (i % area);
        const [product, other] = [v * G.y[i], G.y[i]];
        want[at] += product;
        bound[at] += Math.abs(v) * G.error[i] + Math.abs(other) * A.error[i];
        bound[at] += A.error[i] * G.error[i] + (K + 1) * unit * Math.abs(product);
      });
      expectClose(y, want, (i) => bound[i]);
      if (y.length < 1000) return;
      const fold = await runKernel(gpu(), folded(multiscaleProduct), reads, options, variant);
      expect(fold.y).toEqual(y);
    });
  }
}

for (const variant of ['strip', 'direct']) {
  test(`multiscaleProduct ${variant} does not read a scale whose share is 0`, async () => {
    const { a, g, scales, offsets } = packed(2, 5, [
      [3, 4],
      [5, 5],
    ]);
    const run = (shares: readonly number[]) =>
      runKernel(
        gpu(),
        multiscaleProduct,
        {
          a: a.whole,
          g: g.whole,
          scales,
          shares: { shape: [2, 2], data: new Float32Array(shares) },
        },
        { channels: 5, outputSize: [6, 6] },
        variant,
      );
    const { y } = await run([1, 1, 0, 0]);
    for (const { whole } of [a, g]) whole.data.fill(Number.NaN, offsets[1]);
    expect((await run([1, 1, 0, 0])).y).toEqual(y);
    expect((await run([0, 0, 0, 0])).y).toEqual(y.fill(0));
  });
}

test('multiscaleProduct of many scales is left to the variant without a table', () => {
  const reads = (T: number) => ({
    a: { shape: [60] },
    g: { shape: [60] },
    scales: { shape: [T, 3] },
    shares: { shape: [T, 1] },
  });
  const options = { channels: 2, outputSize: [4, 4] } as const;
  expect(multiscaleProduct.variantsFor(reads(16), options)).toEqual(['strip', 'direct']);
  expect(multiscaleProduct.variantsFor(reads(17), options)).toEqual(['direct']);
});

test('multiscaleProduct says what does not fit', () => {
  const reads = { a: { shape: [60] }, g: { shape: [60] } };
  const more = { scales: { shape: [2, 3] }, shares: { shape: [2, 3] } };
  const plan = (options: { channels: number; outputSize: readonly [number, number] }) => () =>
    multiscaleProduct.plan({ ...reads, ...more }, options);
  expect(plan({ channels: 21, outputSize: [4, 4] })).toThrow(
    'channels is 21, should be a whole number from 1 to 20: a has 60 elements for 3 images',
  );
  expect(plan({ channels: 0, outputSize: [4, 4] })).toThrow('channels is 0');
  expect(plan({ channels: 2, outputSize: [4, 40000] })).toThrow('at most 32768');
  expect(() =>
    multiscaleProduct.plan({ ...reads, ...more, shares: { shape: [3, 3] } }, {
      channels: 2,
      outputSize: [4, 4],
    } as const),
  ).toThrow('T is 2 in scales');
});

for (const C of [1, 7, 1000, 5000]) {
  test(`keepsClass tells whether the first largest of ${C} logits is chosen`, async () => {
    const N = 9;
    const y = random([N, C], C);
    const choice = { shape: [N, C], data: new Float32Array(N * C) };
    const want = new Float32Array(3 * N).fill(-5);
    for (let n = 0; n < N; n++) {
      const row = [...y.data.subarray(n * C, (n + 1) * C)];
      const best = row.indexOf(Math.max(...row));
      const chosen = n % 3 === 0 ? best : (best + n) % C;
      choice.data[n * C + chosen] = 1;
      want[2 * N + n] = chosen === best ? 1 : 0;
    }
    if (C > 9) expect(new Set(want.subarray(2 * N)).size).toBe(2);
    const before = new Float32Array(3 * N).fill(-5);
    for (const kernel of [keepsClass, folded(keepsClass)]) {
      const options = { row: 2, rows: 3 };
      const { gates } = await runKernel(gpu(), kernel, { y, choice }, options, undefined, before);
      expect(gates).toEqual(want);
    }
  });
}

test('keepsClass: of equal logits the first counts, a NaN never', async () => {
  const row = (values: readonly number[], chosen: number) => {
    const y = { shape: [1, values.length], data: new Float32Array(values) };
    const choice = { shape: y.shape, data: y.data.slice().fill(0) };
    choice.data[chosen] = 1;
    return runKernel(gpu(), keepsClass, { y, choice }, { row: 0, rows: 1 });
  };
  const many = new Array<number>(300).fill(-3);
  for (const values of [[2, 2, 1], [-0, 0, -1], [-1e30, -1e30, -2e30], many]) {
    expect((await row(values, 0)).gates[0]).toBe(1);
    expect((await row(values, 1)).gates[0]).toBe(0);
  }
  for (const chosen of [0, 1, 2]) {
    expect((await row([1, Number.NaN, 2], chosen)).gates[0]).toBe(0);
    expect((await row([1, -Infinity, Infinity], chosen)).gates[0]).toBe(chosen === 2 ? 1 : 0);
  }
});

test('keepsClass says what does not fit', () => {
  const reads = { y: { shape: [2, 3] }, choice: { shape: [2, 3] } };
  for (const row of [-1, 2, 0.5]) {
    expect(() => keepsClass.plan(reads, { row, rows: 2 })).toThrow(
      `keepsClass: row ${row} should be a whole number within the 2 of gates`,
    );
  }
});

test('keptShares are gates over their count, and 0 where nothing was kept', async () => {
  for (const N of [1, 3, 200, 1000]) {
    const T = 5;
    const data = random([T, N], N).data.map((v, i) => (i % N === 2 || v < 0 ? 0 : 1));
    const gates = { shape: [T, N], data };
    const want = new Float64Array(N);
    data.forEach((gate, i) => {
      want[i % N] += gate;
    });
    for (const kernel of N > 192 ? [keptShares, folded(keptShares)] : [keptShares]) {
      const { shares, count } = await runKernel(gpu(), kernel, { gates });
      expect([...count]).toEqual([...want]);
      expectClose(
        shares,
        Float64Array.from(data, (gate, i) => (gate === 0 ? 0 : gate / want[i % N])),
        () => 5 * unit,
      );
    }
  }
});

for (const { x: shape, outputSize } of [
  { x: [1, 1, 1, 1], outputSize: [1, 1] },
  { x: [2, 3, 4, 7], outputSize: [4, 7] },
  { x: [2, 5, 3, 4], outputSize: [17, 23] },
  { x: [3, 2, 13, 9], outputSize: [5, 4] },
  { x: [1, 40, 7, 7], outputSize: [56, 31] },
  { x: [1, 2, 6, 1], outputSize: [1, 9] },
] as const) {
  test(`resizedMean is the mean of the resized maps: [${shape}] to [${outputSize}]`, async () => {
    const x = random(shape, 1);
    const [N, K, H, W] = shape;
    const ref = reference.resizeBilinear(x, outputSize, false);
    const area = outputSize[0] * outputSize[1];
    const mean = (values: Float64Array) =>
      Float64Array.from({ length: N * K }, (_, map) => {
        const sum = values.subarray(map * area, (map + 1) * area).reduce((p, v) => p + v, 0);
        return sum / area;
      });
    const size = mean(ref.size);
    const r = Recorder.on(gpu());
    const w = resizedMean(r, r.constant(x.data, x.shape), outputSize);
    expect(w.shape).toEqual([N, K]);
    expect(r.plan([w]).dispatches).toBe(1);
    const [tensor] = await r.run([w]);
    expectClose(await tensor.read(), mean(ref.y), (i) => (H * W + 2) * unit * size[i] + 1e-15);
    tensor.destroy();
  });
}

test('resizedMean says what does not fit', () => {
  const r = Recorder.on(gpu());
  const x = r.constant(new Float32Array(24), [2, 3, 4]);
  expect(() => resizedMean(r, x, [3, 3])).toThrow('x [2,3,4] should be [N, K, H, W]');
  expect(() => resizedMean(r, x.reshape([1, 2, 3, 4]), [3, 0])).toThrow('outputSize is [3,0]');
});
