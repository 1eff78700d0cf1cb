import direct from '../../shaders/activation/branch-relevance.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** Relevance of a sum shared between its branches, scaled by `branchFactors`. a [N,C], b [N,C], r [N,C], f [N,2] -> ra [N,C], rb [N,C]. */
export const branchRelevance = kernel({
  name: 'branchRelevance',
  reads: { a: 'N C', b: 'N C', r: 'N C', f: 'N 2' },
  results: { ra: 'N C', rb: 'N C' },
  flops: ({ N, C }) => 8 * N * C,
  variants: [{ name: 'direct', code: direct, groups: ({ N, C }) => groupsFor(N * C, 64) }],
});
