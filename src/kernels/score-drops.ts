import direct from '../../shaders/mask/score-drops.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * How much of a score each change to an image takes away: baseline - score, or its share of the baseline (`relative`; 0 where that is 0).
 * scores [N,K], baseline [N,1] -> w [N,K].
 */
export const scoreDrops = kernel({
  name: 'scoreDrops',
  reads: { scores: 'N K', baseline: 'N 1' },
  results: { w: 'N K' },
  derive: (_, { relative }: { readonly relative?: boolean }) => ({ RELATIVE: relative ? 1 : 0 }),
  flops: ({ N, K }) => 2 * N * K,
  variants: [{ name: 'direct', code: direct, groups: ({ N, K }) => groupsFor(N * K, 64) }],
});
