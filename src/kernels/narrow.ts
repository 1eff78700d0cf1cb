import direct from '../../shaders/activation/narrow.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel, type Sizes } from './kernel.js';

/** How {@link narrow} and {@link widen} scale rows of known range. */
export interface PeakOptions {
  /** The largest magnitude of a row becomes 2^peak or up to twice that, 0 to 14; default 0. */
  readonly peak?: number;
}

/** Sizes and constants of {@link narrow} and {@link widen}. @throws ShapeError for a peak that float16 does not hold. */
export function peakSizes(
  kernelName: string,
  { N, C }: Sizes,
  { peak = 0 }: PeakOptions,
): Record<string, number> {
  if (!Number.isInteger(peak) || peak < 0 || peak > 14) {
    throw new ShapeError(
      `${kernelName}: peak is ${peak}, should be a whole number from 0 to 14: float16 ends at 65504`,
    );
  }
  return { SIZE: N * C, PEAK: peak };
}

/**
 * Floats of 32 bits as they are stored: rounded to 16 bits in a recording that stores so, else copied. x [N,C] -> y [N,C].
 *
 * With `range`, as `rowRange` gives it of x or of anything else, each row is multiplied by the power of two that brings that range's largest
 * magnitude to 2^peak: what is proportional to it stays clear of the subnormal numbers under 2^-14. `widen` with the same range takes it back.
 */
export const narrow = kernel({
  name: 'narrow',
  reads: { x: 'N C', 'range?': 'N 4' },
  results: { y: 'N C' },
  dtypes: { x: 'f32', range: 'f32' },
  derive: (sizes, options: PeakOptions) => peakSizes('narrow', sizes, options),
  flops: ({ SIZE }) => SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
