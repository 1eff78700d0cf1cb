import { expect } from 'vitest';
import type { Ndarray } from './gpu.js';

/** Seeded uniform numbers in [-1, 1): a hash of the index, so that a case can be repeated. */
export function random(shape: readonly number[], seed = 1): Ndarray & { data: Float32Array } {
  const size = shape.reduce((a, b) => a * b, 1);
  const data = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    let h = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    data[i] = ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
  }
  return { shape, data };
}

/** Checks |y - ref| <= bound(i) for every element; a NaN fails. */
export function expectClose(
  y: ArrayLike<number>,
  reference: ArrayLike<number>,
  bound: (i: number) => number,
): void {
  expect(y.length).toBe(reference.length);
  for (let i = 0; i < y.length; i++) {
    const error = Math.abs(y[i] - reference[i]);
    if (!(error <= bound(i))) {
      expect.fail(
        `element ${i}: got ${y[i]}, expected ${reference[i]} within ${bound(i)}, off by ${error}`,
      );
    }
  }
}

/**
 * The bound on a float32 sum of `terms` products in any order: terms 2^-24 sum|term|, plus what flushed subnormals may add.
 * `size(i)` is the sum of the terms' magnitudes.
 */
export const sumBound = (terms: number, size: ArrayLike<number>) => (i: number) =>
  (terms + 1) * 2 ** -24 * size[i] + (terms + 1) * 2 ** -126;

/** ||y - ref|| / ||ref||; infinite if y has a NaN. */
export function relativeL2(y: ArrayLike<number>, reference: ArrayLike<number>): number {
  expect(y.length).toBe(reference.length);
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < y.length; i++) {
    difference += (y[i] - reference[i]) ** 2;
    norm += reference[i] ** 2;
  }
  const ratio = norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
  return Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio;
}

/** Sum of a_i b_i in float64. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
