import direct from '../../shaders/rank/digit-counts.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel, type Sizes } from './kernel.js';

/** Options of a round of radix sort: see `rankPixels`. */
export interface DigitOptions {
  /** Which eight bits: 0 the lowest, 3 the highest. */
  readonly digit: number;
  /** Smallest first; largest first by default. */
  readonly rising?: boolean;
}

/**
 * How often each digit occurs in each part of each row: the first third of a round of radix sort (see `rankPixels`).
 *
 * x [N,C], order? [N,C] (u32, the elements' indices as sorted so far) -> counts [N,256,T] (u32); parts are of equal length, the last may be
 * shorter.
 */
export const digitCounts = kernel({
  name: 'digitCounts',
  reads: { x: 'N C', 'order?': 'N C' },
  results: { counts: 'N 256 T' },
  dtypes: { order: 'u32', counts: 'u32' },
  derive: ({ C }, options: DigitOptions) => {
    // A part costs 256 counters, an element one step: of about sqrt(C) elements, but not of a few.
    const length = Math.max(256, 2 ** Math.ceil(Math.log2(C) / 2));
    const T = Math.ceil(C / length);
    return { ...digitConstants('digitCounts', { C, T }, options), T };
  },
  flops: ({ N, C }) => N * C,
  variants: [{ name: 'direct', code: direct, groups: ({ N, T }) => groupsFor(N * T, 64) }],
});

/** What both kernels of a round are told. */
export function digitConstants(
  kernelName: string,
  { C, T }: Sizes,
  { digit, rising = false }: DigitOptions,
) {
  if (!Number.isInteger(digit) || digit < 0 || digit > 3) {
    throw new ShapeError(`${kernelName}: digit is ${digit}, should be a whole number from 0 to 3`);
  }
  return { LENGTH: Math.ceil(C / T), DIGIT: digit, RISING: rising ? 1 : 0 };
}
