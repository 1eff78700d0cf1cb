import tree from '../../shaders/rank/percentile-rows.wgsl';
import { ShapeError } from '../errors.js';
import { kernel } from './kernel.js';
import { rowVariants } from './rows.js';

/**
 * A percentile of each row, linear between neighbours, as NumPy's. x [N,C] -> y [N], option `percent` from 0 (least) to 100.
 *
 * The two neighbours are exact, the point between them is rounded towards the lower one: `x > y` holds for just those elements that are
 * above the true percentile. Between neighbours of which one is infinite it is the lower one. A row with a NaN gives NaN.
 * Reads x five times.
 */
export const percentileRows = kernel({
  name: 'percentileRows',
  reads: { x: 'N C' },
  results: { y: 'N' },
  derive: ({ C }, { percent }: { readonly percent: number }) => {
    if (!(percent >= 0 && percent <= 100)) {
      throw new ShapeError(`percentileRows: percent is ${percent}, should be from 0 to 100`);
    }
    const position = ((C - 1) * percent) / 100;
    const PLACE = Math.floor(position);
    return { PLACE, FRACTION: position - PLACE };
  },
  flops: ({ N, C }) => 5 * N * C,
  variants: rowVariants(tree),
});
