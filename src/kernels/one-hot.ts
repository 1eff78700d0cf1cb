import direct from '../../shaders/cam/one-hot.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface OneHotOptions {
  /** Number of classes. */
  readonly classes: number;
  /** Which column of the class table; 0 by default. */
  readonly column?: number;
}

/** Rows of zeros with a one at a class. classes [N,T] (u32) -> y [N,C]; a class of C or more gives zeros. */
export const oneHot = kernel({
  name: 'oneHot',
  reads: { classes: 'N T' },
  results: { y: 'N C' },
  dtypes: { classes: 'u32' },
  derive: ({ T }, { classes, column = 0 }: OneHotOptions) => {
    if (column < 0 || column >= T)
      throw new ShapeError(`oneHot: column ${column} should be within the ${T} of classes`);
    return { C: classes, COLUMN: column };
  },
  variants: [{ name: 'direct', code: direct, groups: ({ N, C }) => groupsFor(N * C, 64) }],
});
