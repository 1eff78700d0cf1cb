import tree from '../../shaders/reduce/sum-rows.wgsl';
import subgroup from '../../shaders/reduce/sum-rows-subgroup.wgsl';
import { kernel } from './kernel.js';
import { rowVariants } from './rows.js';

/** Sum of each row. x [N,C] -> y [N]. */
export const sumRows = kernel({
  name: 'sumRows',
  reads: { x: 'N C' },
  results: { y: 'N' },
  derive: () => ({ MEAN: 0 }),
  flops: ({ N, C }) => N * C,
  variants: rowVariants(tree, { subgroup }),
});

/** Mean of each row. x [N,C] -> y [N]. */
export const meanRows = kernel({
  name: 'meanRows',
  reads: { x: 'N C' },
  results: { y: 'N' },
  derive: () => ({ MEAN: 1 }),
  flops: ({ N, C }) => N * C,
  variants: rowVariants(tree, { subgroup }),
});
