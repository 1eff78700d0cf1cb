import rows from '../../shaders/mask/area-gradient.wgsl';
import { ShapeError } from '../errors.js';
import { kernel } from './kernel.js';
import { rowWidth } from './rows.js';

/**
 * Gradient of each mask's distance from one of a given area: the mean of (m - r)^2, r 1 on the `kept` largest elements and 0 elsewhere, as
 * sorting m and a row of zeros and ones would pair them. R. Fong, M. Patrick, A. Vedaldi, ICCV 2019.
 *
 * m [N,C], threshold [N] -> dm [N,C]. The threshold lies from the largest element that is not kept (included) to the least that is: see
 * {@link areaPercent}. Where these are equal all elements equal to them share alike, so no place in the row is favoured; the threshold is
 * that element then. What a NaN does is left open.
 */
export const areaGradient = kernel({
  name: 'areaGradient',
  reads: { m: 'N C', threshold: 'N' },
  results: { dm: 'N C' },
  derive: ({ C }, { kept }: { readonly kept: number }) => {
    checkKept('areaGradient', C, kept);
    return { KEPT: kept };
  },
  flops: ({ N, C }) => 6 * N * C,
  variants: [{ name: 'rows', code: rows, tuning: rowWidth, groups: ({ N }) => N }],
});

/** The percentile of C elements (for `percentileRows`) that parts the `kept` largest from the others: half way between neighbours. */
export function areaPercent(C: number, kept: number): number {
  checkKept('areaPercent', C, kept);
  return Math.max(0, (100 * (C - kept - 0.5)) / Math.max(1, C - 1));
}

function checkKept(name: string, C: number, kept: number): void {
  if (!Number.isInteger(kept) || kept < 1 || kept > C) {
    throw new ShapeError(`${name}: kept is ${kept}, should be a whole number from 1 to ${C}`);
  }
}
