import direct from '../../shaders/mask/live-first.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Puts the maps that vary before those that are constant once enlarged, and says how many are worth asking about. range [N,K,2] (from
 * `upsampledRange`) -> order [N,K] (which map is in each place), count [N] (maps that vary, and one more for all the others).
 */
export const liveFirst = kernel({
  name: 'liveFirst',
  reads: { range: 'N K 2' },
  results: { order: 'N K', count: 'N' },
  dtypes: { order: 'u32', count: 'u32' },
  flops: ({ N, K }) => N * K * K,
  variants: [{ name: 'direct', code: direct, groups: ({ N, K }) => groupsFor(N * K, 64) }],
});
