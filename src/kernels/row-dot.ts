import tree from '../../shaders/reduce/row-dot.wgsl';
import subgroup from '../../shaders/reduce/row-dot-subgroup.wgsl';
import { kernel, treeVariants } from './kernel.js';
import { subgroupVariant } from './rows.js';

/** Dot products of the rows of two matrices. a b [N,C] -> y [N]. */
export const rowDot = kernel({
  name: 'rowDot',
  reads: { a: 'N C', b: 'N C' },
  results: { y: 'N' },
  flops: ({ N, C }) => 2 * N * C,
  variants: [subgroupVariant(subgroup, ({ N }) => N), ...treeVariants(tree, ({ N }) => N)],
});
