import { expect, test } from 'vitest';
import { choleskySolve } from '../../src/cam/cholesky.js';
import {
  coalitionSamples,
  limeProjection,
  shapProjection,
  switchSamples,
} from '../../src/cam/surrogate.js';
import { ShapeError } from '../../src/errors.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { linear } from '../../src/kernels/linear.js';
import { useGpu } from '../support/gpu.js';
import { expectClose, random } from '../support/numbers.js';

const { gpu } = useGpu();

/** A score for each sample. */
const scoresOf = (samples: Float32Array, S: number, score: (on: Float32Array) => number) =>
  Array.from({ length: samples.length / S }, (_, i) => score(samples.subarray(i * S, (i + 1) * S)));

const additive = (weights: ArrayLike<number>, constant: number) => (on: Float32Array) =>
  on.reduce((sum, z, s) => sum + z * weights[s], constant);

/** P times scores, and the sum of the terms' magnitudes. */
function apply(P: Float32Array, scores: readonly number[]) {
  const S = P.length / scores.length;
  const row = (s: number) => scores.map((v, i) => v * P[s * scores.length + i]);
  const rows = Array.from({ length: S }, (_, s) => row(s));
  return {
    values: rows.map((terms) => terms.reduce((a, b) => a + b, 0)),
    size: rows.map((terms) => terms.reduce((a, b) => a + Math.abs(b), 0)),
  };
}

/** P is rounded to f32 once. */
const rounding = (size: readonly number[]) => (i: number) => 2 ** -23 * size[i] + 1e-9;

/** Solves A x = b by Gauss-Jordan with pivots. */
function solve(A: readonly (readonly number[])[], b: readonly number[]): number[] {
  const rows = A.map((row, i) => [...row, b[i]]);
  const n = rows.length;
  for (let j = 0; j < n; j++) {
    const best = rows.slice(j).reduce((k, row, i) => {
      return Math.abs(row[j]) > Math.abs(rows[k][j]) ? j + i : k;
    }, j);
    [rows[j], rows[best]] = [rows[best], rows[j]];
    rows.forEach((row, i) => {
      if (i === j) return;
      const factor = row[j] / rows[j][j];
      for (let c = j; c <= n; c++) row[c] -= factor * rows[j][c];
    });
  }
  return rows.map((row, i) => row[n] / row[i]);
}

test('switchSamples: everything on, then half of it, repeatable', () => {
  const samples = switchSamples({ segments: 13, count: 801, seed: 'lime' });
  expect(samples.length).toBe(13 * 801);
  expect(samples.every((z) => z === 0 || z === 1)).toBe(true);
  expect([...samples.subarray(0, 13)]).toEqual(new Array(13).fill(1));
  const share = (from: Float32Array) => from.reduce((a, b) => a + b, 0) / from.length;
  // four standard deviations of 10,400 coins
  expect(Math.abs(share(samples.subarray(13)) - 0.5)).toBeLessThan(0.02);
  for (let s = 0; s < 13; s++) {
    const column = samples.filter((_, i) => i >= 13 && i % 13 === s);
    expect(Math.abs(share(column) - 0.5)).toBeLessThan(4 * 0.5 * 800 ** -0.5);
  }
  const shorter = switchSamples({ segments: 13, count: 5, seed: 'lime' });
  expect(shorter).toEqual(samples.subarray(0, 5 * 13));
  expect(switchSamples({ segments: 13, count: 801, seed: 'other' })).not.toEqual(samples);
});

for (const [S, count, ridge, within] of [
  [1, 5, 1e-6, 1e-2], // the samples with it off weigh exp(-8)
  [6, 60, 1e-6, 1e-5],
  [50, 1000, 1e-6, 1e-4],
  [50, 1000, 1e-2, 1e-2],
] as const) {
  test(`LIME recovers an additive model: ${S} segments, ${count} samples, ridge ${ridge}`, () => {
    const samples = switchSamples({ segments: S, count, seed: 'a' });
    const P = limeProjection(samples, count, S, { ridge });
    const weights = random([S], 4).data;
    const { values } = apply(P, scoresOf(samples, S, additive(weights, 0.7)));
    expectClose(values, weights, () => within);
  });
}

for (const [S, count, options] of [
  [4, 30, {}],
  [9, 7, { ridge: 0.5 }], // fewer samples than switches
  [12, 200, { width: 0.6, ridge: 3 }],
] as const) {
  test(`LIME is the ridge regression with a free intercept: ${S}, ${count}, ${JSON.stringify(options)}`, () => {
    const { width = 0.25, ridge = 1 } = options as { width?: number; ridge?: number };
    const samples = switchSamples({ segments: S, count, seed: 'b' });
    samples.fill(0, S, 2 * S); // one with everything off
    const scores = [...random([count], 8).data];
    const rows = scores.map((_, i) => [...samples.subarray(i * S, (i + 1) * S), 1]);
    const kernel = rows.map((row) => {
      const on = row.slice(0, S).filter((z) => z === 1).length;
      // cosine of the angle to (1, ..., 1)
      const cosine = on === 0 ? 0 : on / (Math.sqrt(on) * Math.sqrt(S));
      return Math.sqrt(Math.exp(-((1 - cosine) ** 2) / width ** 2));
    });
    const sum = (term: (i: number) => number) => scores.reduce((total, _, i) => total + term(i), 0);
    const A = Array.from({ length: S + 1 }, (_, s) =>
      Array.from({ length: S + 1 }, (_, t) => {
        const penalty = s === t && s < S ? ridge : 0;
        return sum((i) => kernel[i] * rows[i][s] * rows[i][t]) + penalty;
      }),
    );
    const b = A.map((_, s) => sum((i) => kernel[i] * rows[i][s] * scores[i]));
    const wanted = solve(A, b).slice(0, S);
    const { values, size } = apply(limeProjection(samples, count, S, options), scores);
    expectClose(values, wanted, rounding(size));
    // The intercept is free: it takes a constant up.
    const raised = apply(
      limeProjection(samples, count, S, options),
      scores.map((v) => v + 5),
    );
    expectClose(raised.values, wanted, rounding(raised.size));
  });
}

/** Shapley values by definition: the mean gain of each switch over all orders. */
function shapley(S: number, score: (on: Float32Array) => number): number[] {
  const values = new Array(S).fill(0);
  let orders = 0;
  const visit = (on: Float32Array, gains: readonly number[]) => {
    if (!on.includes(0)) {
      orders++;
      gains.forEach((gain, s) => {
        values[s] += gain;
      });
      return;
    }
    on.forEach((z, s) => {
      if (z === 1) return;
      const more = on.slice().fill(1, s, s + 1);
      visit(more, gains.with(s, score(more) - score(on)));
    });
  };
  visit(new Float32Array(S), new Array(S).fill(0));
  return values.map((v) => v / orders);
}

/** A game with interactions: a number hashed from each coalition. */
const game = (on: Float32Array) =>
  random([1], 1 + on.reduce((code, z, s) => code + z * 2 ** s, 0)).data[0] * (1 + on[0]);

for (const S of [1, 2, 3, 4, 5, 6]) {
  test(`SHAP of all coalitions is the mean over all orders: ${S} segments`, () => {
    const { samples, weights, count } = coalitionSamples({ segments: S, count: 64, seed: 'c' });
    expect(count).toBe(2 ** S);
    const codes = scoresOf(samples, S, (on) => Number.parseInt([...on].join(''), 2));
    expect(new Set(codes).size).toBe(2 ** S);
    const scores = scoresOf(samples, S, game);
    const { values, size } = apply(shapProjection(samples, weights, count, S), scores);
    expectClose(values, shapley(S, game), rounding(size));
  });
}

for (const [S, count] of [
  [4, 10],
  [7, 16],
  [9, 101],
  [16, 300],
  [49, 1000],
] as const) {
  test(`SHAP of ${count} of the coalitions of ${S} segments`, () => {
    const options = { segments: S, count, seed: 'd' };
    const made = coalitionSamples(options);
    expect(made.count).toBeLessThanOrEqual(count);
    expect(made.count).toBeGreaterThan(count - 2);
    expect(coalitionSamples(options)).toEqual(made);
    const P = shapProjection(made.samples, made.weights, made.count, S);
    const weights = random([S], 6).data;
    const exact = apply(P, scoresOf(made.samples, S, additive(weights, 0.4)));
    expectClose(exact.values, weights, rounding(exact.size));
    // of any game the values add up
    const scores = scoresOf(made.samples, S, (on) => Math.tanh(game(on) + on[0] * on[1]));
    const { values, size } = apply(P, scores);
    const total = values.reduce((a, b) => a + b, 0);
    const most = size.reduce((a, b) => a + b, 0);
    expect(Math.abs(total - (scores[1] - scores[0]))).toBeLessThan(2 ** -23 * most);
    // and the least squares are least: with the sum kept, no step from the values does better
    const cost = (phi: readonly number[]) =>
      scores.reduce((sum, score, i) => {
        const on = made.samples.subarray(i * S, (i + 1) * S);
        return sum + made.weights[i] * (score - additive(phi, scores[0])(on)) ** 2;
      }, 0);
    for (let s = 0; s < S - 1; s++) {
      for (const step of [1e-3, -1e-3]) {
        const aside = values.with(s, values[s] + step).with(s + 1, values[s + 1] - step);
        expect(cost(aside)).toBeGreaterThan(cost(values));
      }
    }
  });
}

test('coalitions come in pairs, and their sizes follow the Shapley kernel', () => {
  const S = 40;
  const { samples, weights, count } = coalitionSamples({ segments: S, count: 4002, seed: 'e' });
  expect([...samples.subarray(0, 2 * S)]).toEqual(
    Array.from({ length: 2 * S }, (_, i) => +(i >= S)),
  );
  expect([...weights.subarray(0, 2)]).toEqual([0, 0]);
  const massOf = new Array(S + 1).fill(0);
  const sizes = scoresOf(samples, S, (on) => on.reduce((a, b) => a + b, 0));
  for (let i = 2; i < count; i += 2) {
    const rows = [i, i + 1].map((k) => samples.subarray(k * S, (k + 1) * S));
    expect(rows[0].every((z, s) => z + rows[1][s] === 1)).toBe(true);
    expect(weights[i]).toBe(weights[i + 1]);
    massOf[sizes[i]] += weights[i];
    massOf[sizes[i + 1]] += weights[i + 1];
  }
  let total = 0;
  for (let s = 1; s < S; s++) {
    const wanted = (S - 1) / (s * (S - s));
    total += wanted;
    // those of 1 and of all but 1 are all there; 1960 draws share the others
    const isWhole = Math.min(s, S - s) === 1;
    if (isWhole) expect(massOf[s]).toBeCloseTo(wanted, 10);
    else expect(Math.abs(massOf[s] - wanted)).toBeLessThan(5 * wanted * (500 * wanted) ** -0.5);
  }
  expect(massOf.reduce((a, b) => a + b, 0)).toBeCloseTo(total, 9);
  // every switch about as often
  for (let s = 0; s < S; s++) {
    const share = samples.filter((z, i) => i % S === s && z === 1).length / count;
    expect(share).toBe(0.5);
  }
});

test('the GPU applies a projection as one linear layer', async () => {
  const [S, count] = [9, 100];
  const samples = switchSamples({ segments: S, count, seed: 'f' });
  const P = limeProjection(samples, count, S, { ridge: 1e-6 });
  const weights = [1, 2].map((seed) => random([S], seed).data);
  const scores = weights.map((w) => scoresOf(samples, S, additive(w, 0.1)));
  const r = Recorder.on(gpu());
  const x = r.constant(Float32Array.from(scores.flat()), [2, count]);
  const [y] = await r.run([r.k(linear, { x, w: r.constant(P, [S, count]) })]);
  const got = await y.read();
  y.destroy();
  expectClose(
    got,
    weights.flatMap((w) => [...w]),
    () => 1e-4,
  );
});

test('choleskySolve solves, and finds what is singular', () => {
  const n = 7;
  const half = random([n, n], 3).data;
  const at = (i: number, j: number) => {
    const dot = Array.from({ length: n }, (_, k) => half[i * n + k] * half[j * n + k]);
    return dot.reduce((a, b) => a + b, i === j ? 0.1 : 0);
  };
  const A = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => at(i, j)));
  const b = [...random([n], 9).data];
  const B = Float64Array.from(b.flatMap((v) => [v, -2 * v]));
  choleskySolve('test', Float64Array.from(A.flat()), B, n, 2);
  const wanted = solve(A, b).flatMap((v) => [v, -2 * v]);
  expectClose(B, wanted, (i) => 1e-11 * (1 + Math.abs(wanted[i])));
  const singular = Float64Array.of(1, 1, 1, 1);
  expect(() => choleskySolve('test', singular, Float64Array.of(1, 1), 2, 1)).toThrow(
    'test: the samples do not tell switch 1 from others: use more samples',
  );
});

test('surrogates say what does not fit', () => {
  const six = switchSamples({ segments: 3, count: 2, seed: '' });
  expect(() => switchSamples({ segments: 0, count: 2, seed: '' })).toThrow('segments is 0');
  expect(() => switchSamples({ segments: 3, count: 1.5, seed: '' })).toThrow('count is 1.5');
  const lots = { segments: 1000, count: 1e9, seed: '' };
  expect(() => switchSamples(lots)).toThrow('1000000000 samples of 1000 switches are too many');
  expect(() => coalitionSamples(lots)).toThrow(ShapeError);
  expect(() => limeProjection(six, 3, 3)).toThrow('6 switches should be 3 samples of 3');
  expect(() => limeProjection(six, 2, 3, { width: 0 })).toThrow('width is 0');
  expect(() => limeProjection(six, 2, 3, { ridge: -1 })).toThrow('ridge is -1');
  expect(() => limeProjection(six, 2, 3, { ridge: 0 })).toThrow('use more samples');
  expect(() => coalitionSamples({ segments: 4, count: 9, seed: '' })).toThrow(
    'coalitionSamples: count is 9, should be at least 10 for 4 segments',
  );
  expect(() => shapProjection(six, new Float64Array(2), 2, 3)).toThrow('all off and all on');
  expect(() => shapProjection(six, new Float64Array(3), 2, 3)).toThrow(ShapeError);
});
