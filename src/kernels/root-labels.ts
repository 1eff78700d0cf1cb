import direct from '../../shaders/segment/root-labels.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface RootLabelsOptions {
  /** Labels lie below it: a root's number is taken modulo `most`. From 1 to 2^32 - 1. */
  readonly most: number;
}

/** The number of each element's root. roots [N,C] (u32, below C), numbers [N,C] (u32, read at roots) -> y [N,C] (u32). */
export const rootLabels = kernel({
  name: 'rootLabels',
  reads: { roots: 'N C', numbers: 'N C' },
  results: { y: 'N C' },
  dtypes: { roots: 'u32', numbers: 'u32', y: 'u32' },
  derive: (_, { most }: RootLabelsOptions) => {
    if (!Number.isInteger(most) || most < 1 || most >= 2 ** 32) {
      throw new ShapeError(`rootLabels: most is ${most}, should be a whole number from 1 on`);
    }
    return { MOST: most };
  },
  variants: [{ name: 'direct', code: direct, groups: ({ N, C }) => groupsFor(N * C, 64) }],
});
