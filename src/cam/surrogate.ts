/**
 * Linear surrogates of a network over on/off switches: LIME's and KernelSHAP's samples, and the matrices that turn their scores into
 * coefficients. Which samples there are is known before the network runs, so the regression is solved beforehand: what is left is one
 * product of a matrix [S,count] with the scores, on the GPU, with nothing read back.
 */

import { ShapeError } from '../errors.js';
import { choleskySolve } from './cholesky.js';

export interface SwitchOptions {
  /** Number of switches. */
  readonly segments: number;
  /** Number of samples. */
  readonly count: number;
  /** Names the random numbers: the same samples for the same seed, on any machine. */
  readonly seed: string;
}

/**
 * LIME's samples [count, segments], of 0 (off) and 1: everything on, then each switch on or off with equal chance.
 *
 * A sample depends on seed, number and `segments` only: the first ones of a longer list are the same.
 */
export function switchSamples({ segments, count, seed }: SwitchOptions): Float32Array {
  atLeast('switchSamples', { segments, count });
  atMost('switchSamples', count, segments);
  const start = fnv1a(`${seed}:switches`);
  return Float32Array.from({ length: count * segments }, (_, i) =>
    i < segments ? 1 : mix(start + i) >>> 31,
  );
}

export interface LimeOptions {
  /** Width of the exponential kernel on the cosine distance; 0.25 by default. */
  readonly width?: number | undefined;
  /** Weight of the penalty on the coefficients' squares, not on the intercept; 1 by default. */
  readonly ridge?: number | undefined;
}

/**
 * The matrix P [S, count] that takes scores of samples [count, S] to LIME's coefficients: M. T. Ribeiro et al., "Why Should I Trust You?",
 * KDD 2016; weights and regression as in the authors' program (scikit-learn's Ridge).
 *
 *   w = sqrt(exp(-d^2 / width^2)), d = 1 - cosine to the sample with everything on (1 where everything is off)
 *   P = (Z' w Z + ridge I)^-1 Z' w, Z the samples less their weighted mean
 *
 * @throws ShapeError if samples are not [count, S], an option is out of range, or, with a ridge of 0, there are too few samples.
 */
export function limeProjection(
  samples: Float32Array,
  count: number,
  S: number,
  { width = 0.25, ridge = 1 }: LimeOptions = {},
): Float32Array {
  checkSamples('limeProjection', samples, count, S);
  if (!(width > 0)) throw new ShapeError(`limeProjection: width is ${width}, should be above 0`);
  if (!(ridge >= 0 && ridge < Number.POSITIVE_INFINITY)) {
    throw new ShapeError(`limeProjection: ridge is ${ridge}, should be 0 or more`);
  }
  const weights = Float64Array.from({ length: count }, (_, i) => {
    const on = samples.subarray(i * S, (i + 1) * S).reduce((sum, z) => sum + z, 0);
    const distance = 1 - Math.sqrt(on / S);
    return Math.sqrt(Math.exp(-(distance ** 2) / width ** 2));
  });
  const total = weights.reduce((sum, w) => sum + w, 0);
  const Z = new Float64Array(count * S);
  for (let s = 0; s < S; s++) {
    let mean = 0;
    for (let i = 0; i < count; i++) mean += weights[i] * samples[i * S + s];
    mean /= total;
    for (let i = 0; i < count; i++) Z[i * S + s] = samples[i * S + s] - mean;
  }
  return Float32Array.from(leastSquares('limeProjection', Z, weights, count, S, ridge));
}

/** KernelSHAP's samples. */
export interface Coalitions {
  /** [count, segments] of 0 and 1: the empty coalition, the full one, then the others. */
  readonly samples: Float32Array;
  /** Weight of each sample in the regression; 0 for the first two, which hold exactly. */
  readonly weights: Float64Array;
  /** Number of samples: at most what was asked for. */
  readonly count: number;
}

/**
 * Coalitions for KernelSHAP: S. Lundberg and S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", NIPS 2017.
 *
 * All coalitions, with the Shapley kernel (S - 1) / (binomial(S, s) s (S - s)) as weight, if `count` allows. Else those of one switch and of
 * all but one, then of two and all but two, and so on, for as long as `count` random ones would hold each of them on average; then random
 * ones, of sizes drawn by the kernel, each followed by its complement, which share the weight of the sizes left.
 *
 * @throws ShapeError if `count` is neither enough for all coalitions nor at least 2 segments + 2.
 */
export function coalitionSamples({ segments: S, count, seed }: SwitchOptions): Coalitions {
  atLeast('coalitionSamples', { segments: S, count });
  atMost('coalitionSamples', count, S);
  const needed = Math.min(2 ** S, 2 * S + 2);
  if (count < needed) {
    throw new ShapeError(
      `coalitionSamples: count is ${count}, should be at least ${needed} for ${S} segments`,
    );
  }
  const rows: { on: readonly number[]; weight: number }[] = [
    { on: [], weight: 0 },
    { on: range(S), weight: 0 },
  ];
  const half = Math.floor(S / 2);
  /** Sizes s and S - s together. */
  const pairs = (s: number) => (2 * s === S ? 1 : 2);
  const mass = (s: number) => (pairs(s) * (S - 1)) / (s * (S - s));
  const massFrom = (s: number) => range(half - s + 1).reduce((sum, j) => sum + mass(s + j), 0);

  let size = 1;
  for (; size <= half; size++) {
    const subsets = binomial(S, size) * pairs(size);
    const left = count - rows.length;
    const isAll = 2 ** S <= count;
    if (size > 1 && !isAll && left * mass(size) < subsets * massFrom(size)) break;
    const weight = mass(size) / subsets;
    for (const on of combinations(S, size)) {
      rows.push({ on, weight });
      if (pairs(size) === 2) rows.push({ on: complementOf(on, S), weight });
    }
  }
  const draws = Math.floor((count - rows.length) / 2);
  if (size <= half && draws > 0) {
    const rest = massFrom(size);
    const start = fnv1a(`${seed}:coalitions`);
    for (let draw = 0; draw < draws; draw++) {
      const uniform = (j: number) => mix(start + draw * (S + 1) + j) / 2 ** 32;
      let s = size;
      for (let at = uniform(S) * rest; s < half && at >= mass(s); s++) at -= mass(s);
      const on = subset(S, s, uniform);
      const weight = rest / (2 * draws);
      rows.push({ on, weight }, { on: complementOf(on, S), weight });
    }
  }
  const samples = new Float32Array(rows.length * S);
  rows.forEach(({ on }, i) => {
    for (const s of on) samples[i * S + s] = 1;
  });
  return { samples, weights: Float64Array.from(rows, (row) => row.weight), count: rows.length };
}

/**
 * The matrix P [S, count] that takes scores of {@link coalitionSamples} to Shapley values: weighted least squares in which the values add up
 * to score(full) - score(empty) exactly, the constant being score(empty).
 *
 * One value is eliminated by that sum; which one makes no difference.
 *
 * @throws ShapeError if samples or weights do not fit, or the samples do not determine the values.
 */
export function shapProjection(
  samples: Float32Array,
  weights: Float64Array,
  count: number,
  S: number,
): Float32Array {
  checkSamples('shapProjection', samples, count, S);
  const isEnds = (z: number, i: number) => z === Number(i >= S);
  if (weights.length !== count || count < 2 || !samples.subarray(0, 2 * S).every(isEnds)) {
    throw new ShapeError(
      `shapProjection: got ${weights.length} weights for ${count} samples, should be one each, the first two samples all off and all on`,
    );
  }
  const last = S - 1;
  const rest = count - 2;
  const lastOf = (i: number) => samples[(i + 2) * S + last];
  const Z = new Float64Array(rest * last);
  for (let i = 0; i < rest; i++) {
    for (let s = 0; s < last; s++) Z[i * last + s] = samples[(i + 2) * S + s] - lastOf(i);
  }
  const B = leastSquares('shapProjection', Z, weights.subarray(2), rest, last, 0);
  const P = new Float64Array(S * count);
  P[last * count] = -1;
  P[last * count + 1] = 1;
  for (let s = 0; s < last; s++) {
    for (let i = 0; i < rest; i++) {
      // The regression's target is score - empty - last (full - empty).
      const b = B[s * rest + i];
      P[s * count] -= b * (1 - lastOf(i));
      P[s * count + 1] -= b * lastOf(i);
      P[s * count + i + 2] = b;
    }
    for (let i = 0; i < count; i++) P[last * count + i] -= P[s * count + i];
  }
  return Float32Array.from(P);
}

/** (Z' w Z + ridge I)^-1 Z' w, [S, count], for Z [count, S]. */
function leastSquares(
  who: string,
  Z: Float64Array,
  weights: Float64Array,
  count: number,
  S: number,
  ridge: number,
): Float64Array {
  const A = new Float64Array(S * S);
  const B = new Float64Array(S * count);
  for (let i = 0; i < count; i++) {
    for (let s = 0; s < S; s++) {
      const weighted = weights[i] * Z[i * S + s];
      B[s * count + i] = weighted;
      for (let t = 0; t <= s; t++) A[s * S + t] += weighted * Z[i * S + t];
    }
  }
  for (let s = 0; s < S; s++) A[s * S + s] += ridge;
  choleskySolve(who, A, B, S, count);
  return B;
}

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

const complementOf = (on: readonly number[], S: number): number[] =>
  range(S).filter((s) => !on.includes(s));

function binomial(n: number, k: number): number {
  let ways = 1;
  for (let i = 1; i <= k; i++) ways = (ways * (n - k + i)) / i;
  return ways;
}

/** The subsets of 0 .. S that have `size` elements, in lexical order. */
function* combinations(S: number, size: number, first = 0): Generator<number[]> {
  if (size === 0) {
    yield [];
    return;
  }
  for (let s = first; s <= S - size; s++) {
    for (const more of combinations(S, size - 1, s + 1)) yield [s, ...more];
  }
}

/** `size` of 0 .. S, all subsets alike: the beginning of a shuffle. */
function subset(S: number, size: number, uniform: (j: number) => number): number[] {
  const order = range(S);
  for (let j = 0; j < size; j++) {
    const k = j + Math.floor(uniform(j) * (S - j));
    [order[j], order[k]] = [order[k], order[j]];
  }
  return order.slice(0, size);
}

function atLeast(who: string, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isInteger(size) || size < 1) {
      throw new ShapeError(`${who}: ${name} is ${size}, should be a whole number from 1 on`);
    }
  }
}

/** The regression holds all switches in memory several times, in float64. */
const mostSwitches = 2 ** 25;

function atMost(who: string, count: number, segments: number): void {
  if (count * segments > mostSwitches) {
    throw new ShapeError(
      `${who}: ${count} samples of ${segments} switches are too many to solve for: choose fewer samples or segments`,
    );
  }
}

function checkSamples(who: string, samples: Float32Array, count: number, S: number): void {
  atLeast(who, { count, S });
  if (samples.length !== count * S) {
    throw new ShapeError(`${who}: ${samples.length} switches should be ${count} samples of ${S}`);
  }
}

/** FNV-1a of a text, as the shaders' seeds. */
function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

/** The hash of the shaders' random numbers: 32 even bits for each whole number. */
function mix(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}
