import direct from '../../shaders/activation/pack-rows.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface PackRowsOptions {
  /** Element of y that the first of x becomes. */
  readonly offset: number;
  /** Elements of y. */
  readonly total: number;
}

/**
 * Copies a tensor's elements to a place in a longer row: for tensors of unlike sizes that one kernel is to read.
 *
 * x any shape -> y [total], of which offset .. offset + SIZE are written. One dispatch a part: the recorder's `into` names the whole.
 */
export const packRows = kernel({
  name: 'packRows',
  reads: { x: '*' },
  results: { y: 'E' },
  derive: ({ SIZE }, { offset, total }: PackRowsOptions) => {
    if (![offset, total].every(Number.isInteger) || offset < 0 || offset + SIZE > total) {
      throw new ShapeError(
        `packRows: elements ${offset} .. ${offset + SIZE} should be whole numbers within the ${total} there are`,
      );
    }
    return { E: total, OFFSET: offset };
  },
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
