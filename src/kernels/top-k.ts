import tree from '../../shaders/reduce/top-k.wgsl';
import { ShapeError } from '../errors.js';
import { kernel } from './kernel.js';
import { rowVariants } from './rows.js';

/**
 * The k largest elements of each row in falling order, of equal ones the first; a NaN counts as largest.
 *
 * x [N,C] -> values [N,k], indices [N,k] (u32); 1 <= k <= 16. Reads x k times: for a handful of places.
 */
export const topK = kernel({
  name: 'topK',
  reads: { x: 'N C' },
  results: { values: 'N K', indices: 'N K' },
  dtypes: { indices: 'u32' },
  derive: ({ C }, { k }: { readonly k: number }) => {
    const most = Math.min(16, C);
    if (!Number.isInteger(k) || k < 1 || k > most) {
      throw new ShapeError(
        `topK: k is ${k}, should be a whole number from 1 to ${most} for rows of ${C}`,
      );
    }
    return { K: k };
  },
  flops: ({ N, C, K }) => N * C * K,
  variants: rowVariants(tree),
});
