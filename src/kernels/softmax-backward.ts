import rows from '../../shaders/reduce/softmax-backward.wgsl';
import single from '../../shaders/reduce/softmax-backward-row.wgsl';
import subgroup from '../../shaders/reduce/softmax-backward-subgroup.wgsl';
import { kernel } from './kernel.js';
import { rowVariants } from './rows.js';

/** Gradient of `softmax` from its result y. dy [N,C], y [N,C] -> dx [N,C]. */
export const softmaxBackward = kernel({
  name: 'softmaxBackward',
  reads: { dy: 'N C', y: 'N C' },
  results: { dx: 'N C' },
  derive: () => ({ LOG: 0 }),
  flops: ({ N, C }) => 4 * N * C,
  variants: rowVariants(rows, { subgroup, single }),
});

/** Gradient of `logSoftmax` from its result y. dy [N,C], y [N,C] -> dx [N,C]. */
export const logSoftmaxBackward = kernel({
  name: 'logSoftmaxBackward',
  reads: { dy: 'N C', y: 'N C' },
  results: { dx: 'N C' },
  derive: () => ({ LOG: 1 }),
  flops: ({ N, C }) => 4 * N * C,
  variants: rowVariants(rows, { subgroup, single }),
});
