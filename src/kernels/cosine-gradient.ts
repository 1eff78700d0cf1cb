import tree from '../../shaders/cam/cosine-gradient.wgsl';
import { kernel, treeVariants } from './kernel.js';

/** Cosine similarity of each row to a vector, and its gradient. x [N,C], f [C] -> score [N], dx [N,C]. */
export const cosineGradient = kernel({
  name: 'cosineGradient',
  reads: { x: 'N C', f: 'C' },
  results: { score: 'N', dx: 'N C' },
  flops: ({ N, C }) => 9 * N * C,
  variants: treeVariants(tree, ({ N }) => N),
});
