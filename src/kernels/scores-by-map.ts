import direct from '../../shaders/mask/scores-by-map.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Scores in the order of maps, from those in the order in which the network was asked. scores [N,K], order [N,K] and count [N] (from
 * `liveFirst`) -> y [N,K].
 *
 * Maps from place `count` on have the score of the last before it.
 */
export const scoresByMap = kernel({
  name: 'scoresByMap',
  reads: { scores: 'N K', order: 'N K', count: 'N' },
  results: { y: 'N K' },
  dtypes: { order: 'u32', count: 'u32' },
  variants: [{ name: 'direct', code: direct, groups: ({ N, K }) => groupsFor(N * K, 64) }],
});
