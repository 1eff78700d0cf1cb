import direct from '../../shaders/rank/digit-move.wgsl';
import { type DigitOptions, digitConstants } from './digit-counts.js';
import { groupsFor, kernel } from './kernel.js';

/**
 * Each row's elements in the order of one digit, equal ones as they were: the last third of a round of radix sort (see `rankPixels`).
 *
 * x [N,C], starts [N,256,T] (u32, sums of `digitCounts` before each), order? [N,C] (u32) -> y [N,C] (u32, indices into the row).
 */
export const digitMove = kernel({
  name: 'digitMove',
  reads: { x: 'N C', starts: 'N 256 T', 'order?': 'N C' },
  results: { y: 'N C' },
  dtypes: { starts: 'u32', order: 'u32', y: 'u32' },
  derive: (sizes, options: DigitOptions) => digitConstants('digitMove', sizes, options),
  flops: ({ N, C }) => N * C,
  variants: [{ name: 'direct', code: direct, groups: ({ N, T }) => groupsFor(N * T, 64) }],
});
