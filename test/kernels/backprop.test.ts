import { expect, test } from 'vitest';
import { addProduct } from '../../src/kernels/add-product.js';
import { mixParts } from '../../src/kernels/mix-parts.js';
import { pathPoints } from '../../src/kernels/path-points.js';
import { pathSum } from '../../src/kernels/path-sum.js';
import { positiveReluBackward } from '../../src/kernels/positive-relu-backward.js';
import { relevanceShare } from '../../src/kernels/relevance-share.js';
import { runningMoments } from '../../src/kernels/running-moments.js';
import { folded } from '../support/folded.js';
import { type Ndarray, runKernel, useGpu } from '../support/gpu.js';
import { expectClose, random, sumBound } from '../support/numbers.js';

const { gpu } = useGpu();
const eps = 2 ** -24;

/** Seeded numbers with zeros of both signs among them. */
const withZeros = (shape: readonly number[], seed: number) => {
  const { data } = random(shape, seed);
  return { shape, data: data.map((v, i) => (i % 5 === 1 ? 0 : i % 7 === 3 ? -0 : v)) };
};

for (const shape of [[1], [7, 9], [2, 3, 5, 11]]) {
  for (const fold of [false, true]) {
    if (fold && shape.length < 4) continue;
    test(`positiveReluBackward is its definition: [${shape}]${fold ? ' folded' : ''}`, async () => {
      const [dy, y] = [withZeros(shape, 1), withZeros(shape, 2)];
      const kernel = fold ? folded(positiveReluBackward) : positiveReluBackward;
      const both = (await runKernel(gpu(), kernel, { dy, y })).dx;
      const one = (await runKernel(gpu(), kernel, { dy })).dx;
      dy.data.forEach((v, i) => {
        expect(both[i]).toBe(v > 0 && y.data[i] > 0 ? v : 0);
        expect(one[i]).toBe(v > 0 ? v : 0);
      });
    });
  }
}

test('runningMoments: mean and population variance of several gradients', async () => {
  for (const [shape, count, kernel] of [
    [[1, 1, 1, 1], 2, runningMoments],
    [[2, 3, 7, 11], 5, folded(runningMoments)],
  ] as const) {
    const gradients = Array.from({ length: count }, (_, i) => random(shape, i + 1).data);
    let m: Float32Array | undefined;
    for (const [i, data] of gradients.entries()) {
      const share: Ndarray = { shape: [1], data: Float32Array.of(1 / (i + 1)) };
      ({ m } = (await runKernel(
        gpu(),
        kernel,
        { g: { shape, data }, share },
        {},
        undefined,
        m,
      )) as {
        m: Float32Array;
      });
    }
    const size = gradients[0].length;
    const means = Float64Array.from({ length: size }, (_, i) =>
      gradients.reduce((sum, g) => sum + g[i] / count, 0),
    );
    const variances = Float64Array.from(means, (mean, i) =>
      gradients.reduce((sum, g) => sum + (g[i] - mean) ** 2 / count, 0),
    );
    expectClose(m!.subarray(0, size), means, () => 4 * count * eps);
    expectClose(m!.subarray(size), variances, () => 16 * count * eps);
  }
});

test('runningMoments: equal gradients far from 0 have no variance at all', async () => {
  const g = { shape: [1, 1, 3, 5], data: random([1, 1, 3, 5]).data.map((v) => 1000 + v) };
  let m: Float32Array | undefined;
  for (let n = 1; n <= 7; n++) {
    const share: Ndarray = { shape: [1], data: Float32Array.of(1 / n) };
    ({ m } = (await runKernel(gpu(), runningMoments, { g, share }, {}, undefined, m)) as {
      m: Float32Array;
    });
  }
  expect(Array.from(m!)).toEqual([...g.data, ...g.data.map(() => 0)]);
});

for (const [N, J, C, H, W] of [
  [1, 1, 1, 1, 1],
  [1, 5, 3, 7, 5],
  [3, 2, 3, 9, 11],
]) {
  for (const fold of [false, true]) {
    if (fold && N * C * H * W <= 192) continue;
    const size = C * H * W;
    const name = `${J} points of ${N} images [${C},${H},${W}]${fold ? ' folded' : ''}`;

    test(`pathPoints is its definition: ${name}`, async () => {
      const kernel = fold ? folded(pathPoints) : pathPoints;
      const [x, base] = [random([N, C, H, W], 1), random([N, C, H, W], 2)];
      const at = { shape: [J], data: Float32Array.from({ length: J }, (_, j) => j / J) };
      for (const start of [base, undefined]) {
        const { y } = await runKernel(gpu(), kernel, { x, at, base: start });
        expectClose(
          y,
          Float64Array.from({ length: N * J * size }, (_, i) => {
            const place = Math.floor(i / size / J) * size + (i % size);
            const from = start?.data[place] ?? 0;
            return from + at.data[Math.floor(i / size) % J] * (x.data[place] - from);
          }),
          () => 6 * eps,
        );
      }
    });

    test(`pathSum is its definition: ${name}`, async () => {
      const kernel = fold ? folded(pathSum) : pathSum;
      const [x, base] = [random([N, C, H, W], 1), random([N, C, H, W], 2)];
      const [g, w] = [random([N * J, C, H, W], 3), random([J], 4)];
      const before = random([N, C, H, W], 5).data;
      for (const [start, first] of [
        [base, true],
        [undefined, false],
      ] as const) {
        const { y } = await runKernel(
          gpu(),
          kernel,
          { g, w, x, base: start },
          { first },
          undefined,
          first ? undefined : before,
        );
        const terms = Array.from(x.data, (v, i) => {
          const [n, place] = [Math.floor(i / size), i % size];
          const way = v - (start?.data[i] ?? 0);
          const products = Array.from(
            w.data,
            (weight, j) => way * weight * g.data[(n * J + j) * size + place],
          );
          return first ? products : [before[i], ...products];
        });
        expectClose(
          y,
          terms.map((t) => t.reduce((a, b) => a + b, 0)),
          sumBound(
            J + 3,
            terms.map((t) => t.reduce((a, b) => a + Math.abs(b), 0)),
          ),
        );
      }
    });
  }
}

test('pathSum refuses gradients that are not of its points', () => {
  const of = (...shape: number[]) => ({ shape });
  expect(() =>
    pathSum.plan({ g: of(5, 3, 4, 4), w: of(2), x: of(2, 3, 4, 4) }, { first: true }),
  ).toThrow(/5 gradients should be 4/);
});

for (const shape of [[1], [7, 9], [2, 3, 5, 11]]) {
  const fold = shape.length === 4;
  const name = `[${shape}]${fold ? ' folded' : ''}`;

  test(`mixParts is its definition: ${name}`, async () => {
    const x = withZeros(shape, 1);
    for (const c of [
      [1, 0, 0, 0, 0],
      [0, 1, 0, 0, 0],
      [0, 0, -1, 0, 0],
      [0, 0, 0, 1, 0],
      [0, 0, 0, 0, 1],
      [0.5, -2, 3, 0.25, -1.5],
    ]) {
      const parts = { shape: [5], data: Float32Array.from(c) };
      const { y } = await runKernel(gpu(), fold ? folded(mixParts) : mixParts, { x, c: parts });
      const terms = Array.from(x.data, (v) => [
        c[0] * v,
        c[1] * Math.max(v, 0),
        c[2] * Math.min(v, 0),
        c[3] * v * v,
        c[4],
      ]);
      expectClose(
        y,
        terms.map((t) => t.reduce((a, b) => a + b, 0)),
        sumBound(
          7,
          terms.map((t) => t.reduce((a, b) => a + Math.abs(b), 0)),
        ),
      );
    }
  });

  test(`relevanceShare is its definition, also at 0: ${name}`, async () => {
    const [r, z, gate] = [random(shape, 1), withZeros(shape, 2), withZeros(shape, 3)];
    const c = { shape: [2], data: Float32Array.of(-1.5, 0.125) };
    for (const sign of [1, -1] as const) {
      for (const open of [undefined, gate]) {
        const kernel = fold ? folded(relevanceShare) : relevanceShare;
        const { s } = await runKernel(gpu(), kernel, { r, z, c, gate: open }, { sign });
        const wanted = Array.from(r.data, (v, i) => {
          if (open && !(sign * open.data[i] > 0)) return 0;
          return (-1.5 * v) / (z.data[i] + (z.data[i] < 0 ? -0.125 : 0.125));
        });
        // A division is good to 2.5 units in the last place.
        expectClose(s, wanted, (i) => 12 * eps * Math.abs(wanted[i]));
      }
    }
  });

  test(`addProduct is its definition: ${name}`, async () => {
    const [a, b, before] = [random(shape, 1), random(shape, 2), random(shape, 3).data];
    for (const first of [true, false]) {
      const kernel = fold ? folded(addProduct) : addProduct;
      const there = first ? undefined : before;
      const { y } = await runKernel(gpu(), kernel, { a, b }, { first }, undefined, there);
      const sums = Array.from(a.data, (v, i) => (there?.[i] ?? 0) + v * b.data[i]);
      expectClose(y, sums, (i) => 2 * eps * (Math.abs(a.data[i] * b.data[i]) + Math.abs(sums[i])));
    }
  });
}
