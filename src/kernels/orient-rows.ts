import tree from '../../shaders/reduce/orient-rows.wgsl';
import { kernel, treeVariants } from './kernel.js';

/** Each row turned so that its element of largest magnitude is positive. x [N,C] -> y [N,C]. */
export const orientRows = kernel({
  name: 'orientRows',
  reads: { x: 'N C' },
  results: { y: 'N C' },
  flops: ({ N, C }) => 2 * N * C,
  variants: treeVariants(tree, ({ N }) => N),
});
