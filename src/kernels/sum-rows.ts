import tree from '../../shaders/reduce/sum-rows.wgsl';
import { kernel } from './kernel.js';
import { rowWidth } from './rows.js';

/** Sum of each row. x [N,C] -> y [N]. */
export const sumRows = kernel({
  name: 'sumRows',
  reads: { x: 'N C' },
  results: { y: 'N' },
  derive: () => ({ MEAN: 0 }),
  flops: ({ N, C }) => N * C,
  variants: [{ name: 'tree', code: tree, tuning: rowWidth, groups: ({ N }) => N }],
});

/** Mean of each row. x [N,C] -> y [N]. */
export const meanRows = kernel({
  name: 'meanRows',
  reads: { x: 'N C' },
  results: { y: 'N' },
  derive: () => ({ MEAN: 1 }),
  flops: ({ N, C }) => N * C,
  variants: [{ name: 'tree', code: tree, tuning: rowWidth, groups: ({ N }) => N }],
});
