import tree from '../../shaders/reduce/argmax-rows.wgsl';
import { kernel } from './kernel.js';
import { rowVariants } from './rows.js';

/** Index of each row's largest element, the first of equal ones; a NaN counts as largest. x [N,C] -> index [N] (u32). */
export const argmaxRows = kernel({
  name: 'argmaxRows',
  reads: { x: 'N C' },
  results: { index: 'N' },
  dtypes: { index: 'u32' },
  flops: ({ N, C }) => N * C,
  variants: rowVariants(tree),
});
