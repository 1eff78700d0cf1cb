import tree from '../../shaders/reduce/row-range.wgsl';
import { kernel } from './kernel.js';
import { rowVariants } from './rows.js';

/**
 * Range and health of each row. x [N,C] -> range [N,4]: least and largest finite element (0 and 0 if there is none), number of
 * NaN and infinities, number of elements that are not zero (nor subnormal).
 */
export const rowRange = kernel({
  name: 'rowRange',
  reads: { x: 'N C' },
  results: { range: 'N 4' },
  dtypes: { range: 'f32' },
  flops: ({ N, C }) => 2 * N * C,
  variants: rowVariants(tree),
});
