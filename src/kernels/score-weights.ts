import direct from '../../shaders/cam/score-weights.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Weights of the maps from the scores of the images they mask: score less baseline, 0 for a constant map. scores [N,K], baseline [N,1],
 * range [N,K,2] -> w [N,K].
 */
export const scoreWeights = kernel({
  name: 'scoreWeights',
  reads: { scores: 'N K', baseline: 'N 1', range: 'N K 2' },
  results: { w: 'N K' },
  flops: ({ N, K }) => N * K,
  variants: [{ name: 'direct', code: direct, groups: ({ N, K }) => groupsFor(N * K, 64) }],
});
