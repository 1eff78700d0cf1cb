import tree from '../../shaders/reduce/extreme-rows.wgsl';
import { kernel } from './kernel.js';
import { rowVariants } from './rows.js';

/** Largest element of each row; NaN if the row has one. x [N,C] -> y [N]. */
export const maxRows = kernel({
  name: 'maxRows',
  reads: { x: 'N C' },
  results: { y: 'N' },
  derive: () => ({ LEAST: 0 }),
  flops: ({ N, C }) => N * C,
  variants: rowVariants(tree),
});

/** Smallest element of each row; NaN if the row has one. x [N,C] -> y [N]. */
export const minRows = kernel({
  name: 'minRows',
  reads: { x: 'N C' },
  results: { y: 'N' },
  derive: () => ({ LEAST: 1 }),
  flops: ({ N, C }) => N * C,
  variants: rowVariants(tree),
});
