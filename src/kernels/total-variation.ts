import direct from '../../shaders/mask/total-variation.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface TotalVariationOptions {
  /** Power of the differences, at least 1; 3 by default. */
  readonly beta?: number;
}

/**
 * Gradient of masks' total variation: the sum of |difference|^beta over all pairs of neighbours, above or beside each other.
 *
 * m [N,1,H,W] -> dm [N,1,H,W]. Where neighbours are equal their pair adds 0, also for beta = 1, which has a kink there.
 */
export const totalVariation = kernel({
  name: 'totalVariation',
  reads: { m: 'N 1 H W' },
  results: { dm: 'N 1 H W' },
  derive: (_sizes, { beta = 3 }: TotalVariationOptions) => {
    if (!(beta >= 1 && beta < Number.POSITIVE_INFINITY)) {
      throw new ShapeError(`totalVariation: beta is ${beta}, should be at least 1`);
    }
    return { BETA: beta, POWER: beta - 1 };
  },
  flops: ({ N, H, W }) => 20 * N * H * W,
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});
