import tree from '../../shaders/reduce/unit-rows.wgsl';
import { kernel, treeVariants } from './kernel.js';

/** Each row scaled to length 1; a row of zeros stays. x [N,C] -> y [N,C]. */
export const unitRows = kernel({
  name: 'unitRows',
  reads: { x: 'N C' },
  results: { y: 'N C' },
  flops: ({ N, C }) => 3 * N * C,
  variants: treeVariants(tree, ({ N }) => N),
});
