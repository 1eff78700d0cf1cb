import direct from '../../shaders/image/path-sum.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface PathSumOptions {
  /** Whether these are the first points of the path, which overwrite. */
  readonly first: boolean;
}

/**
 * Gradients along a path from a baseline to an image, weighted and added up, times the way from the one to the other.
 *
 * g [N J,C,H,W] as {@link pathPoints} lays points out, w [J], x [N,C,H,W], base? [N,C,H,W] (0 without) -> y [N,C,H,W] (record with
 * `into` after the first).
 */
export const pathSum = kernel({
  name: 'pathSum',
  reads: { g: 'NJ C H W', w: 'J', x: 'N C H W', 'base?': 'N C H W' },
  results: { y: 'N C H W' },
  derive: ({ N, J, NJ }, { first }: PathSumOptions) => {
    if (NJ !== N * J) {
      throw new ShapeError(
        `pathSum: ${NJ} gradients should be ${N * J}: ${J} points of each of ${N} images`,
      );
    }
    return { FIRST: first ? 1 : 0 };
  },
  flops: ({ NJ, N, C, H, W }) => (2 * NJ + 3 * N) * C * H * W,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});
