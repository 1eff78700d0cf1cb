import direct from '../../shaders/rank/threshold-rows.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Elements at or below their row's threshold become 0. x [N,C], threshold [N] (from `percentileRows`, say) -> y [N,C].
 *
 * A NaN element stays, so that it is seen; under a NaN threshold the others become 0.
 */
export const thresholdRows = kernel({
  name: 'thresholdRows',
  reads: { x: 'N C', threshold: 'N' },
  results: { y: 'N C' },
  flops: ({ N, C }) => N * C,
  variants: [{ name: 'direct', code: direct, groups: ({ N, C }) => groupsFor(N * C, 64) }],
});
