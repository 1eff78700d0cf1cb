/** The kernels of the CAM family, each against its definition in float64. */
import { expect, test } from 'vitest';
import { centreMaps } from '../../src/kernels/centre-maps.js';
import { cosineGradient } from '../../src/kernels/cosine-gradient.js';
import { elementwiseSum } from '../../src/kernels/elementwise-sum.js';
import { fuseMaps } from '../../src/kernels/fuse-maps.js';
import { gradCamPlusPlusWeights } from '../../src/kernels/grad-cam-plus-plus-weights.js';
import { gradientMoments } from '../../src/kernels/gradient-moments.js';
import { gram, gramSquare } from '../../src/kernels/gram.js';
import { mapsDot } from '../../src/kernels/maps-dot.js';
import { maxAbsChannels } from '../../src/kernels/max-abs-channels.js';
import { oneHot } from '../../src/kernels/one-hot.js';
import { orientRows } from '../../src/kernels/orient-rows.js';
import { principalVector } from '../../src/kernels/principal-vector.js';
import { rowDot } from '../../src/kernels/row-dot.js';
import { smoothPlusPlusWeights } from '../../src/kernels/smooth-plus-plus-weights.js';
import { spatialMean } from '../../src/kernels/spatial-mean.js';
import { tanhScale } from '../../src/kernels/tanh-scale.js';
import { unitRows } from '../../src/kernels/unit-rows.js';
import { upsampledRange } from '../../src/kernels/upsampled-range.js';
import { weightedSum } from '../../src/kernels/weighted-sum.js';
import { xGradCamWeights } from '../../src/kernels/x-grad-cam-weights.js';
import { folded } from '../support/folded.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';
import { withCaps } from '../support/with-caps.js';

const { gpu } = useGpu();
const unit = 2 ** -24;

/** Ways to add up the elements of a map or row: the kernels that do share them. */
const trees = spatialMean.variantsFor({ x: { shape: [1, 1, 1, 1] } }, {}, testCaps);

/** Maps of more than one round of a workgroup's 64 lanes, and of fewer; so many that they fold. */
const shapes = [
  [1, 1, 1, 1],
  [2, 5, 3, 4],
  [2, 3, 13, 11],
] as const;
const [N, K, H, W] = shapes[2];
const size = H * W;

/** Numbers above 0: sums of them do not cancel, so that a relative bound holds. */
const positive = (shape: readonly number[], seed: number) => {
  const { data } = random(shape, seed);
  return { shape, data: data.map((v) => 0.55 + 0.45 * v) };
};
const sum = (count: number, f: (i: number) => number) => {
  let total = 0;
  for (let i = 0; i < count; i++) total += f(i);
  return total;
};
/** Checks to within `roundings` of the sizes of what was added up. */
const expectSums = (
  y: ArrayLike<number>,
  ref: ArrayLike<number>,
  sizes: ArrayLike<number>,
  roundings: number,
) => expectClose(y, ref, (i) => roundings * unit * sizes[i] + 2 ** -120);
const list = (count: number, f: (i: number) => number) =>
  Array.from({ length: count }, (_, i) => f(i));

for (const [n, k, h, w] of shapes) {
  const s = h * w;
  const name = `[${n},${k},${h},${w}]`;
  const [x, g] = [random([n, k, h, w], 1), random([n, k, h, w], 2)];
  // One of four lanes' sums, the tree's, and a few more.
  const depth = Math.ceil(s / 4) + 12;

  test.each(trees)(`sums over maps are their definitions: %s ${name}`, async (tree) => {
    const many = n * k > 3;
    const f = <T>(kernel: T): T => (many ? (folded(kernel as never) as T) : kernel);
    const over = (i: number, term: (j: number) => number) => sum(s, (j) => term(i * s + j));
    const total = list(n * k, (i) => over(i, (j) => x.data[j]));
    const sizes = list(n * k, (i) => over(i, (j) => Math.abs(x.data[j])));
    const mean = await runKernel(gpu(), f(spatialMean), { x }, {}, tree);
    expectSums(
      mean.y,
      total.map((v) => v / s),
      sizes.map((v) => v / s),
      depth,
    );
    const centred = await runKernel(gpu(), f(centreMaps), { x }, {}, tree);
    const away = Array.from(x.data, (v, i) => v - total[Math.floor(i / s)] / s);
    expectSums(
      centred.y,
      away,
      away.map((v, i) => Math.abs(v) + sizes[Math.floor(i / s)] / s),
      depth + 2,
    );

    const v = random([n, s], 3);
    const product = (i: number, j: number) => x.data[j] * v.data[Math.floor(i / k) * s + (j % s)];
    const dots = await runKernel(
      gpu(),
      f(mapsDot),
      { x: { shape: [n, k, s], data: x.data }, v },
      {},
      tree,
    );
    expectSums(
      dots.w,
      list(n * k, (i) => over(i, (j) => product(i, j))),
      list(n * k, (i) => over(i, (j) => Math.abs(product(i, j)))),
      depth,
    );

    // Activations are above 0 behind a ReLU: the quotient is then well conditioned.
    const a = positive([n, k, h, w], 4);
    const below = list(n * k, (i) => over(i, (j) => a.data[j]));
    const weights = await runKernel(gpu(), f(xGradCamWeights), { x: a, g }, {}, tree);
    expectSums(
      weights.w,
      list(n * k, (i) => over(i, (j) => g.data[j] * a.data[j]) / below[i]),
      list(n * k, (i) => over(i, (j) => Math.abs(g.data[j] * a.data[j])) / below[i]),
      2 * depth,
    );
  });

  test(`sums over channels are their definitions: ${name}`, async () => {
    const pixels = n * s;
    const many = pixels > 3 * 64;
    const f = <T>(kernel: T): T => (many ? (folded(kernel as never) as T) : kernel);
    const over = (i: number, term: (j: number, map: number) => number) =>
      sum(k, (c) => {
        const map = Math.floor(i / s) * k + c;
        return term(map * s + (i % s), map);
      });
    const check = (y: ArrayLike<number>, term: (j: number, map: number) => number) =>
      expectSums(
        y,
        list(pixels, (i) => over(i, term)),
        list(pixels, (i) => over(i, (j, map) => Math.abs(term(j, map)))),
        k + 1,
      );
    const v = random([n, k], 5);
    const weighted = await runKernel(gpu(), f(weightedSum), { x, w: v });
    check(weighted.y, (j, map) => x.data[j] * v.data[map]);
    const plain = await runKernel(gpu(), f(elementwiseSum), { x, g });
    check(plain.y, (j) => x.data[j] * g.data[j]);
    const upper = await runKernel(gpu(), f(elementwiseSum), { x, g }, { relu: true });
    check(upper.y, (j) => x.data[j] * Math.max(g.data[j], 0));
    const largest = await runKernel(gpu(), f(maxAbsChannels), { x });
    expect([...largest.y]).toEqual(
      list(pixels, (i) => {
        let most = 0;
        over(i, (j) => {
          most = Math.max(most, Math.abs(x.data[j]));
          return 0;
        });
        return most;
      }),
    );
  });
}

for (const form of ['paper', 'stabilised', 'torch-cam'] as const) {
  test.each(trees)(`gradCamPlusPlusWeights is its definition: %s ${form}`, async (tree) => {
    const x = positive([N, K, H, W], 1);
    // Gradients of both signs, and of none; cubes that do not cancel for torch-cam, which adds them up.
    const g = random([N, K, H, W], 2);
    g.data.forEach((v, i) => {
      g.data[i] = i % 7 === 3 ? 0 : form === 'torch-cam' ? 0.6 + v / 3 : v;
    });
    const { w } = await runKernel(gpu(), folded(gradCamPlusPlusWeights), { x, g }, { form }, tree);
    const expected = list(N * K, (map) => {
      const at = (i: number) => map * size + i;
      const total = sum(size, (i) => x.data[at(i)]);
      const mixed = sum(size, (i) => x.data[at(i)] * g.data[at(i)] ** 3);
      return sum(size, (i) => {
        const slope = g.data[at(i)];
        if (slope <= 0) return 0;
        const cube = total * slope ** 3;
        const rest = { paper: cube, stabilised: cube + 1e-6, 'torch-cam': mixed };
        return slope ** 3 / (2 * slope ** 2 + rest[form]);
      });
    });
    expectSums(w, expected, expected, 64);
  });
}

for (const literal of [false, true]) {
  test.each(trees)(
    `smoothPlusPlusWeights of gradientMoments is its definition: %s ${literal ? 'd1' : 'd2'}`,
    async (tree) => {
      const x = positive([N, K, H, W], 1);
      const gradients = [2, 3, 4].map((seed) => random([N, K, H, W], seed));
      const all = N * K * size;
      let moments = new Float32Array(3 * all).fill(Number.NaN);
      for (const [i, g] of gradients.entries()) {
        const options = { copies: 3, first: i === 0 };
        const got = await runKernel(
          gpu(),
          folded(gradientMoments),
          { g },
          options,
          undefined,
          moments,
        );
        moments = got.m as Float32Array<ArrayBuffer>;
      }
      const moment = (i: number, p: number) => sum(3, (c) => gradients[c].data[i % all] ** p) / 3;
      const magnitude = (i: number, p: number) =>
        sum(3, (c) => Math.abs(gradients[c].data[i % all]) ** p) / 3;
      const power = (i: number) => 1 + Math.floor(i / all);
      expectSums(
        moments,
        list(3 * all, (i) => moment(i, power(i))),
        list(3 * all, (i) => magnitude(i, power(i))),
        8,
      );

      // Third moments above 0, so that the denominator does not cancel.
      const m = { shape: [3, N, K, H, W], data: moments };
      for (let i = 2 * all; i < 3 * all; i++) m.data[i] = Math.abs(m.data[i]);
      const { w } = await runKernel(
        gpu(),
        folded(smoothPlusPlusWeights),
        { x, m },
        { literal },
        tree,
      );
      const expected = list(N * K, (map) => {
        const total = sum(size, (i) => x.data[map * size + i]);
        return sum(size, (i) => {
          const [d1, d2, d3] = [0, 1, 2].map((p) => m.data[p * all + map * size + i]);
          if (d1 <= 0) return 0;
          return ((literal ? d1 : d2) / (2 * d2 + d3 * total)) * d1;
        });
      });
      expectSums(w, expected, expected, 64);
    },
  );
}

for (const [n, c] of [
  [1, 1],
  [4, 63],
  [5, 200],
] as const) {
  test.each(trees)(`row kernels are their definitions: %s [${n},${c}]`, async (tree) => {
    const f = <T>(kernel: T): T => (n > 3 ? (folded(kernel as never) as T) : kernel);
    const [a, b] = [random([n, c], 1), random([n, c], 2)];
    const depth = Math.ceil(c / 4) + 12;
    const over = (row: number, term: (j: number) => number) => sum(c, (j) => term(row * c + j));
    const { y: dots } = await runKernel(gpu(), f(rowDot), { a, b }, {}, tree);
    expectSums(
      dots,
      list(n, (row) => over(row, (j) => a.data[j] * b.data[j])),
      list(n, (row) => over(row, (j) => Math.abs(a.data[j] * b.data[j]))),
      depth,
    );

    const length = list(n, (row) => Math.sqrt(over(row, (j) => a.data[j] ** 2)));
    const scaled = Array.from(a.data, (v, i) => v / length[Math.floor(i / c)]);
    const { y: units } = await runKernel(gpu(), f(unitRows), { x: a }, {}, tree);
    expectSums(units, scaled, scaled.map(Math.abs), depth);

    const feature = random([c], 3);
    const norm = Math.sqrt(sum(c, (j) => feature.data[j] ** 2));
    const cosine = (row: number, magnitude = (v: number) => v) =>
      over(row, (j) => magnitude(a.data[j] * feature.data[j % c])) / (length[row] * norm);
    const got = await runKernel(gpu(), f(cosineGradient), { x: a, f: feature }, {}, tree);
    expectSums(
      got.score,
      list(n, (row) => cosine(row)),
      list(n, (row) => cosine(row, Math.abs)),
      2 * depth,
    );
    const terms = (i: number) => {
      const row = Math.floor(i / c);
      return [
        feature.data[i % c] / (length[row] * norm),
        (a.data[i] * cosine(row)) / length[row] ** 2,
        (a.data[i] * cosine(row, Math.abs)) / length[row] ** 2,
      ];
    };
    expectSums(
      got.dx,
      list(n * c, (i) => terms(i)[0] - terms(i)[1]),
      list(n * c, (i) => Math.abs(terms(i)[0]) + Math.abs(terms(i)[2])),
      3 * depth,
    );
  });
}

test('rows of zeros have no direction', async () => {
  const x = { shape: [1, 70], data: new Float32Array(70) };
  const f = random([70], 1);
  expect([...(await runKernel(gpu(), unitRows, { x })).y].every((v) => v === 0)).toBe(true);
  const { score, dx } = await runKernel(gpu(), cosineGradient, { x, f });
  expect([...score, ...dx].every((v) => v === 0)).toBe(true);
});

test.each(trees)(
  'orientRows makes the first of the elements of largest magnitude positive: %s',
  async (tree) => {
    const C = 150;
    const x = { shape: [6, C], data: random([6, C], 1).data.map((v) => v / 2) };
    // Row by row: one peak, one below 0, two equal ones in either order (in one lane and in two), and none.
    const peaks = [
      [[149, 1]],
      [[100, -1]],
      [
        [10, -1],
        [74, 1],
      ],
      [
        [70, 1],
        [75, -1],
      ],
      [
        [75, -1],
        [134, 1],
      ],
    ];
    peaks.forEach((row, n) => {
      for (const [at, value] of row) x.data[n * C + at] = value;
    });
    x.data.fill(0, 5 * C);
    const { y } = await runKernel(gpu(), folded(orientRows), { x }, {}, tree);
    const turns = [1, -1, -1, 1, -1, 1];
    expect(Array.from(y, (v) => v + 0)).toEqual(
      Array.from(x.data, (v, i) => turns[Math.floor(i / C)] * v + 0),
    );
  },
);

test('tanhScale divides by the largest of its row', async () => {
  const [n, s] = [3, 90];
  const x = random([n, s], 1);
  const largest = [0.8, 2.5, 0];
  const range = {
    shape: [n, 4],
    data: Float32Array.from(largest.flatMap((v) => [-1, v, 7, 9])),
  };
  const { y } = await runKernel(gpu(), folded(tanhScale), { x, range }, { gamma: 1.5 });
  // WGSL grants tanh the error of a quotient of exponentials; 1e-5 leaves room for it.
  expectClose(
    y,
    Array.from(x.data, (v, i) => {
      const most = largest[Math.floor(i / s)];
      return most > 0 ? Math.tanh((1.5 * Math.max(v, 0)) / Math.fround(most)) : 0;
    }),
    () => 1e-5,
  );
});

test('fuseMaps adds and takes the larger, each weighted', async () => {
  const [x, before] = [random([3, 100], 1), random([3, 100], 2).data];
  const run = async (mode: 'sum' | 'max', first: boolean) => {
    const options = { mode, first, weight: -0.5 };
    const given = before.slice();
    return (await runKernel(gpu(), folded(fuseMaps), { x }, options, undefined, given)).y;
  };
  const half = (i: number) => -0.5 * x.data[i];
  const want = (f: (i: number) => number) => list(300, (i) => Math.fround(f(i)) + 0);
  const plain = (y: ArrayLike<number>) => Array.from(y, (v) => v + 0);
  expect(plain(await run('sum', true))).toEqual(want(half));
  expect(plain(await run('sum', false))).toEqual(want((i) => before[i] + half(i)));
  expect(plain(await run('max', true))).toEqual(want((i) => Math.max(0, half(i))));
  expect(plain(await run('max', false))).toEqual(want((i) => Math.max(before[i], half(i))));
});

test('where the largest is looked for, NaN is it', async () => {
  const { NaN: nan } = Number;
  const maps = { shape: [1, 3, 1, 3], data: Float32Array.of(nan, 1, -2, 3, nan, 1, 5, 2, 4) };
  const { y } = await runKernel(gpu(), maxAbsChannels, { x: maps });
  expect([...y]).toEqual([nan, nan, 4]);
  const x = { shape: [3], data: Float32Array.of(nan, 1, 2) };
  const options = { mode: 'max', first: false, weight: 1 } as const;
  const before = Float32Array.of(1, nan, 3);
  const fused = await runKernel(gpu(), fuseMaps, { x }, options, undefined, before);
  expect([...fused.y]).toEqual([nan, nan, 3]);
  const ranges = { x: { shape: [1, 2, 2, 2], data: Float32Array.of(1, nan, 5, 6, 1, 4, -5, 6) } };
  const { range } = await runKernel(gpu(), upsampledRange, ranges, { outputSize: [5, 7] });
  expect([...range]).toEqual([nan, nan, -5, 6]);
});

test('oneHot marks the class that its column names', async () => {
  const classes = { shape: [3, 2], data: Uint32Array.of(0, 99, 5, 0, 98, 7) };
  for (const column of [0, 1]) {
    const { y } = await runKernel(gpu(), folded(oneHot), { classes }, { classes: 100, column });
    expect([...y]).toEqual(
      list(300, (i) => Number(classes.data[2 * Math.floor(i / 100) + column] === i % 100)),
    );
  }
});

test('gram matrices, their squares and their principal vectors are their definitions', async () => {
  const [n, k, s] = [2, 11, 12];
  const x = random([n, k, s], 1);
  for (const byPixel of [false, true]) {
    const m = byPixel ? s : k;
    const inner = byPixel ? k : s;
    const at = (image: number, row: number, i: number) =>
      x.data[image * k * s + (byPixel ? i * s + row : row * s + i)];
    const product = (e: number, magnitude: (v: number) => number) =>
      sum(inner, (i) => {
        const image = Math.floor(e / (m * m));
        return magnitude(at(image, Math.floor(e / m) % m, i) * at(image, e % m, i));
      });
    const { y } = await runKernel(gpu(), folded(gram), { x }, { byPixel });
    const exact = list(n * m * m, (e) => product(e, (v) => v));
    expectSums(
      y,
      exact,
      list(n * m * m, (e) => product(e, Math.abs)),
      inner + 1,
    );

    const matrix = { shape: [n, m, m], data: y as Float32Array };
    const trace = list(n, (image) => sum(m, (i) => y[image * m * m + i * m + i]));
    const squared = (e: number, magnitude: (v: number) => number) => {
      const image = Math.floor(e / (m * m));
      const entry = (i: number, j: number) => y[image * m * m + i * m + j];
      const dot = sum(m, (i) => magnitude(entry(i, Math.floor(e / m) % m) * entry(i, e % m)));
      return dot / trace[image] ** 2;
    };
    const { y: square } = await runKernel(gpu(), folded(gramSquare), { x: matrix });
    expectSums(
      square,
      list(n * m * m, (e) => squared(e, (v) => v)),
      list(n * m * m, (e) => squared(e, Math.abs)),
      3 * m + 8,
    );
  }
});

test('principalVector finds the leading eigenvector of each matrix', async () => {
  const [n, m] = [4, 70];
  const directions = random([n, m], 1).data;
  const length = list(n, (i) => Math.hypot(...directions.subarray(i * m, (i + 1) * m)));
  const unitAt = (i: number) => directions[i] / length[Math.floor(i / m)];
  // Eigenvalues 1 for the direction and 0.6 for all that stands on it: 0.6^32 is 2^-24, and half as many rounds would show.
  const x = {
    shape: [n, m, m],
    data: Float32Array.from({ length: n * m * m }, (_, e) => {
      const [image, row, column] = [Math.floor(e / (m * m)), Math.floor(e / m) % m, e % m];
      const outer = unitAt(image * m + row) * unitAt(image * m + column);
      return 0.4 * outer + (row === column ? 0.6 : 0);
    }),
  };
  const { v } = await runKernel(gpu(), folded(principalVector), { x });
  const wide = await runKernel(gpu(), withCaps(principalVector, { kind: 'gpu' }), { x });
  expectClose(wide.v, Array.from(v), () => 2e-6);
  for (let image = 0; image < n; image++) {
    const got = Array.from(v.subarray(image * m, (image + 1) * m));
    const turn = Math.sign(sum(m, (i) => got[i] * unitAt(image * m + i)));
    expectClose(
      got.map((value) => turn * value),
      list(m, (i) => unitAt(image * m + i)),
      () => 2e-6,
    );
  }
  const zero = await runKernel(gpu(), principalVector, {
    x: { shape: [1, 3, 3], data: new Float32Array(9) },
  });
  expect([...zero.v].map(Math.abs)).toEqual([0, 0, 0]);
  const few = await runKernel(gpu(), folded(principalVector), { x }, { rounds: 0 });
  const unrefined = sum(m, (i) => few.v[i] * unitAt(i)) ** 2;
  expect(unrefined).toBeLessThan(1 - 1e-3);
});
