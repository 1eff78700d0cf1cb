import direct from '../../shaders/activation/widen.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { type PeakOptions, peakSizes } from './narrow.js';

/** Stored floats as 32-bit ones, the way back from `narrow`: exact. With its `range` and `peak` rows are divided by what they were multiplied by. x [N,C] -> y [N,C]. */
export const widen = kernel({
  name: 'widen',
  reads: { x: 'N C', 'range?': 'N 4' },
  results: { y: 'N C' },
  dtypes: { range: 'f32', y: 'f32' },
  derive: (sizes, options: PeakOptions) => peakSizes('widen', sizes, options),
  flops: ({ SIZE }) => SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
