import rows from '../../shaders/reduce/softmax.wgsl';
import single from '../../shaders/reduce/softmax-row.wgsl';
import subgroup from '../../shaders/reduce/softmax-subgroup.wgsl';
import { kernel } from './kernel.js';
import { rowVariants } from './rows.js';

/** Each row as probabilities, whatever the size of its numbers. x [N,C] -> y [N,C]. */
export const softmax = kernel({
  name: 'softmax',
  reads: { x: 'N C' },
  results: { y: 'N C' },
  derive: () => ({ LOG: 0 }),
  flops: ({ N, C }) => 5 * N * C,
  variants: rowVariants(rows, { subgroup, single }),
});

/** Logarithms of each row's softmax. x [N,C] -> y [N,C]. */
export const logSoftmax = kernel({
  name: 'logSoftmax',
  reads: { x: 'N C' },
  results: { y: 'N C' },
  derive: () => ({ LOG: 1 }),
  flops: ({ N, C }) => 5 * N * C,
  variants: rowVariants(rows, { subgroup, single }),
});
