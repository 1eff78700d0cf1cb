import direct from '../../shaders/cam/gradient-moments.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface MomentsOptions {
  /** Number of gradients that will be added. */
  readonly copies: number;
  /** Whether this is the first, which overwrites. */
  readonly first: boolean;
}

/** Adds a gradient to the means of its first three powers. g [N,K,H,W] -> m [3,N,K,H,W] (record with `into`). */
export const gradientMoments = kernel({
  name: 'gradientMoments',
  reads: { g: 'N K H W' },
  results: { m: '3 N K H W' },
  derive: ({ N, K, H, W }, { copies, first }: MomentsOptions) => {
    if (!Number.isInteger(copies) || copies < 1) {
      throw new ShapeError(
        `gradientMoments: copies is ${copies}, should be a whole number of at least 1`,
      );
    }
    return { COPIES: copies, FIRST: first ? 1 : 0, SIZE: N * K * H * W };
  },
  flops: ({ SIZE }) => 6 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
