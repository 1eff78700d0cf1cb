import direct from '../../shaders/activation/multiply-columns.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface MultiplyColumnsOptions {
  /** First column that is written; default 0. */
  readonly first?: number;
  /** Columns that are written; default all from `first` on. */
  readonly count?: number;
}

/** Elementwise product, of some columns. a [M,C], b [M,C] -> y [M,C], of which `count` columns from `first` on are written (record with `into`). */
export const multiplyColumns = kernel({
  name: 'multiplyColumns',
  reads: { a: 'M C', b: 'M C' },
  results: { y: 'M C' },
  derive: ({ C }, { first = 0, count = C - first }: MultiplyColumnsOptions) => {
    const isWhole = Number.isInteger(first) && Number.isInteger(count);
    if (!isWhole || first < 0 || count < 1 || first + count > C) {
      throw new ShapeError(
        `multiplyColumns: ${count} columns from ${first} on, should be within the ${C} there are`,
      );
    }
    return { FIRST: first, COUNT: count };
  },
  flops: ({ M, COUNT }) => M * COUNT,
  variants: [{ name: 'direct', code: direct, groups: ({ M, COUNT }) => groupsFor(M * COUNT, 64) }],
});
