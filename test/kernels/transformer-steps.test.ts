/** Kernels of relevance and rollout in transformers, against their definitions in float64. */
import { expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { branchFactors } from '../../src/kernels/branch-factors.js';
import { branchRelevance } from '../../src/kernels/branch-relevance.js';
import { headMean } from '../../src/kernels/head-mean.js';
import { multiplyColumns } from '../../src/kernels/multiply-columns.js';
import { rolloutStep } from '../../src/kernels/rollout-step.js';
import { folded } from '../support/folded.js';
import { runKernel, testCaps, useGpu } from '../support/gpu.js';
import { expectClose, random, sumBound } from '../support/numbers.js';

const { gpu } = useGpu();
const eps = 2 ** -24;

// Images, heads, tokens: the smallest, odd ones, several workgroups.
for (const [N, HEADS, T] of [
  [1, 1, 1],
  [2, 3, 7],
  [4, 2, 70],
]) {
  for (const fold of T === 70 ? [false, true] : [false]) {
    const f = <K>(kernel: K): K => (fold ? (folded(kernel as never) as K) : kernel);
    const size = `${N} x ${HEADS} x ${T}${fold ? ' folded' : ''}`;
    const [a, g] = [random([N, HEADS, T, T], 1), random([N, HEADS, T, T], 2)];

    test.each([false, true])(`headMean of ${size}, positive: %s`, async (positive) => {
      for (const by of [undefined, g]) {
        const { y } = await runKernel(gpu(), f(headMean), { a, g: by }, { positive });
        const sizes = new Float64Array(N * T * T);
        const expected = Float64Array.from(sizes, (_, e) => {
          let sum = 0;
          for (let h = 0; h < HEADS; h++) {
            const i = (Math.floor(e / (T * T)) * HEADS + h) * T * T + (e % (T * T));
            const term = a.data[i] * (by?.data[i] ?? 1);
            sum += positive ? Math.max(0, term) : term;
            sizes[e] += Math.abs(term) / HEADS;
          }
          return sum / HEADS;
        });
        expectClose(y, expected, sumBound(HEADS + 3, sizes));
      }
    });

    test.each([false, true])(`rolloutStep of ${size}, identity: %s`, async (identity) => {
      const [r, m] = [random([N, T], 3), random([N, T, T], 4)];
      const one = Number(identity);
      const some = random([N, T], 5);
      // Sums well away from where the divisor is 0, but for one that is.
      const s = { shape: some.shape, data: some.data.map((v, i) => (i === 0 ? -one : 2 + v)) };
      for (const by of [undefined, s]) {
        const { y } = await runKernel(gpu(), f(rolloutStep), { r, m, s: by }, { identity });
        const sizes = new Float64Array(N * T);
        const expected = Float64Array.from(sizes, (_, e) => {
          const [n, j] = [Math.floor(e / T), e % T];
          let sum = 0;
          for (let i = 0; i < T; i++) {
            const whole = by ? one + by.data[n * T + i] : 1;
            const v = m.data[(n * T + i) * T + j] + (i === j ? one : 0);
            const term = whole === 0 ? 0 : (r.data[n * T + i] * v) / whole;
            sum += term;
            sizes[e] += Math.abs(term);
          }
          return sum;
        });
        expectClose(y, expected, sumBound(T + 8, sizes));
      }
    });
  }
}

for (const [M, C, first, count] of [
  [1, 1, 0, 1],
  [5, 9, 6, 3],
  [7, 33, 0, 22],
  [11, 40, 3, undefined],
  [16, 40, 8, 16],
] as const) {
  test(`multiplyColumns of [${M},${C}] from ${first}: the others stay`, async () => {
    const [a, b, before] = [random([M, C], 1), random([M, C], 2), random([M, C], 3)];
    for (const kernel of M === 16
      ? [multiplyColumns, folded(multiplyColumns)]
      : [multiplyColumns]) {
      const { y } = await runKernel(
        gpu(),
        kernel,
        { a, b },
        { first, count },
        undefined,
        before.data,
      );
      y.forEach((v, i) => {
        const isWritten = i % C >= first && i % C < first + (count ?? C);
        expect(v).toBe(isWritten ? Math.fround(a.data[i] * b.data[i]) : before.data[i]);
      });
    }
  });
}

test('multiplyColumns refuses columns that are not there', () => {
  const x = { shape: [2, 6] };
  for (const options of [{ first: 4, count: 3 }, { first: -1 }, { count: 0 }, { first: 1.5 }]) {
    expect(() => multiplyColumns.plan({ a: x, b: x }, options)).toThrow(ShapeError);
  }
});

/** x over a denominator as the rule has it. */
const over = (x: number, whole: number) => (whole === 0 ? 0 : x / (whole + 1e-9));

// Rows shorter than a run of 64, of several runs, longer than a workgroup.
for (const [N, C] of [
  [1, 1],
  [3, 37],
  [5, 1000],
  [1, 70_001],
]) {
  const some = [1, 2, 3].map((seed) => random([N, C], seed));
  // Sums away from 0, so that float32 has few decisions; some branches are 0, one sum is.
  const a = { shape: [N, C], data: some[0].data.map((v, i) => (i % 7 === 3 ? 0 : v + 1.5)) };
  const b = { shape: [N, C], data: some[1].data.map((v, i) => (i % 5 === 1 ? -3 : v) - 0.25) };
  const r = some[2];
  a.data[C - 1] = 0.5;
  b.data[C - 1] = -0.5;

  for (const fold of N === 5 ? [false, true] : [false]) {
    const kernels = fold ? [folded(branchFactors), folded(branchRelevance)] : undefined;
    for (const variant of branchFactors.variantsFor({ a, b, r }, {}, testCaps)) {
      test(`the branches of a sum [${N},${C}] (${variant}${fold ? ', folded' : ''}) get their shares`, async () => {
        const [factors, relevance] = [
          (kernels?.[0] ?? branchFactors) as typeof branchFactors,
          (kernels?.[1] ?? branchRelevance) as typeof branchRelevance,
        ];
        const { f } = await runKernel(gpu(), factors, { a, b, r }, {}, variant);
        const given = { shape: [N, 2], data: f as Float32Array };
        const { ra, rb } = await runKernel(gpu(), relevance, { a, b, r, f: given });
        for (let n = 0; n < N; n++) {
          const parts = [0, 0];
          const sizes = [0, 0];
          let whole = 0;
          for (let i = n * C; i < (n + 1) * C; i++) {
            const s = over(r.data[i], a.data[i] + b.data[i]);
            [a, b].forEach(({ data }, k) => {
              parts[k] += data[i] * s;
              sizes[k] += Math.abs(data[i] * s);
            });
            whole += r.data[i];
          }
          const both = Math.abs(parts[0]) + Math.abs(parts[1]);
          const want = parts.map((p) => over(over(Math.abs(p), both) * whole, p));
          // Sums in runs of 64 and a tree: an error of (64 + log) terms, however long the row.
          const slack = (k: number) =>
            Math.max(1e-5, (300 * eps * (sizes[0] + sizes[1])) / Math.abs(parts[k] || 1));
          want.forEach((w, k) => {
            expect(Math.abs(f[2 * n + k] - w)).toBeLessThanOrEqual(slack(k) * Math.abs(w));
          });
          for (let i = n * C; i < (n + 1) * C; i++) {
            const s = over(r.data[i], a.data[i] + b.data[i]);
            const near = (got: number, x: number, factor: number) =>
              expect(Math.abs(got - factor * x * s)).toBeLessThanOrEqual(
                16 *
                  eps *
                  Math.abs(factor * s) *
                  (Math.abs(a.data[i]) + Math.abs(b.data[i])) *
                  (1 + Math.abs(a.data[i]) / Math.abs(a.data[i] + b.data[i] || 1)),
              );
            near(ra[i], a.data[i], f[2 * n]);
            near(rb[i], b.data[i], f[2 * n + 1]);
          }
        }
      });
    }
  }
}

test('what both branches get adds up to the relevance of their sum, whatever their signs', async () => {
  const C = 500;
  const a = random([2, C], 4);
  // b runs against a: the plain shares would add up to many times the whole.
  const b = { shape: [2, C], data: a.data.map((v, i) => -v + (i % 2 === 0 ? 0.02 : -0.01)) };
  const r = random([2, C], 5);
  const { f } = await runKernel(gpu(), branchFactors, { a, b, r });
  const given = { shape: [2, 2], data: f as Float32Array };
  const { ra, rb } = await runKernel(gpu(), branchRelevance, { a, b, r, f: given });
  for (let n = 0; n < 2; n++) {
    const total = (x: ArrayLike<number>) =>
      Array.from(x)
        .slice(n * C, (n + 1) * C)
        .reduce((s, v) => s + v, 0);
    expect(total(ra) + total(rb)).toBeCloseTo(total(r.data), 2);
    // Both shares have the sign of the whole.
    expect(total(ra) * total(r.data)).toBeGreaterThan(0);
    expect(total(rb) * total(r.data)).toBeGreaterThan(0);
  }
});
