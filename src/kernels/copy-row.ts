import direct from '../../shaders/cam/copy-row.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { wholeWithin } from './token-shape.js';

/** Copies of one row, of one image's values in a batch. x [N,C], at [5] (the row: see {@link masksAt}) -> y [count,C]. */
export const copyRow = kernel({
  name: 'copyRow',
  reads: { x: 'N C', at: '5' },
  results: { y: 'M C' },
  dtypes: { at: 'u32' },
  derive: (_sizes, { count }: { readonly count: number }) => ({
    M: wholeWithin('copyRow', 'count', count, [1, 2 ** 24]),
  }),
  variants: [{ name: 'direct', code: direct, groups: ({ M, C }) => groupsFor(M * C, 64) }],
});
