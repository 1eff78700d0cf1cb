import direct from '../../shaders/segment/quickshift-parents.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';
import { type QuickshiftDensityOptions, quickshiftWindow } from './quickshift-density.js';

export interface QuickshiftParentsOptions extends QuickshiftDensityOptions {
  /** A parent lies at most that far, in pixels and `ratio` times Lab; above 0. */
  readonly maxDist: number;
}

/**
 * The nearest pixel that lies denser: quickshift's forest. lab [N,3,H,W], density [N,H,W] -> y [N,H,W] (u32), the parent's index among
 * the H W pixels of its image; a root's is its own.
 *
 * Of equally dense pixels that of lower index counts as denser, of equally near ones the lower is taken; scikit-image adds random noise
 * instead.
 */
export const quickshiftParents = kernel({
  name: 'quickshiftParents',
  reads: { lab: 'N 3 H W', density: 'N H W' },
  results: { y: 'N H W' },
  dtypes: { y: 'u32', density: 'f32' },
  derive: (_, { maxDist, ...window }: QuickshiftParentsOptions) => {
    if (!(maxDist > 0)) {
      throw new ShapeError(`quickshiftParents: maxDist is ${maxDist}, should be above 0`);
    }
    // REACH is an f32.
    return {
      ...quickshiftWindow('quickshiftParents', window),
      REACH: Math.min(maxDist ** 2, 1e38),
    };
  },
  flops: ({ N, H, W, RADIUS }) => 12 * N * H * W * (2 * RADIUS + 1) ** 2,
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});
