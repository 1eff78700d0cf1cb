import tree from '../../shaders/reduce/branch-factors.wgsl';
import { kernel } from './kernel.js';
import { rowVariants } from './rows.js';

/**
 * Factors for the relevance of the two branches of a sum (H. Chefer, S. Gur, L. Wolf, CVPR 2021, equations 7 and 8): with them each
 * branch gets the share of the whole that its own relevance has in magnitude.
 *
 * a [N,C], b [N,C], r [N,C] (relevance of a + b) -> f [N,2], for `branchRelevance`. A row an image.
 */
export const branchFactors = kernel({
  name: 'branchFactors',
  reads: { a: 'N C', b: 'N C', r: 'N C' },
  results: { f: 'N 2' },
  flops: ({ N, C }) => 8 * N * C,
  variants: rowVariants(tree),
});
