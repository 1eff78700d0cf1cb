import rows from '../../shaders/rank/scan-rows.wgsl';
import { kernel } from './kernel.js';
import { rowWidth } from './rows.js';

/** Sums of whole numbers before each element of a row, modulo 2^32. x [N,C] (u32) -> y [N,C] (u32). */
export const scanRows = kernel({
  name: 'scanRows',
  reads: { x: 'N C' },
  results: { y: 'N C' },
  dtypes: { x: 'u32', y: 'u32' },
  flops: ({ N, C }) => 2 * N * C,
  variants: [
    {
      name: 'narrow',
      code: rows,
      on: 'software',
      tuning: () => ({ GX: 4 }),
      groups: ({ N }) => N,
    },
    { name: 'wide', code: rows, tuning: rowWidth, groups: ({ N }) => N },
  ],
});
