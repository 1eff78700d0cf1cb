import direct from '../../shaders/segment/slic-tidy.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface SlicTidyOptions {
  /** How far a pixel looks, in rows and columns: 2 by default, from 1 to 8. */
  readonly radius?: number;
}

/**
 * Labels without specks: each pixel takes the label that most pixels around it carry. x [N,H,W] (u32) -> y [N,H,W] (u32).
 *
 * Of equally frequent labels the pixel's own stays, else the lowest is taken. Specks and hairs smaller than half the window go; an
 * island as large as the window stays what it is.
 */
export const slicTidy = kernel({
  name: 'slicTidy',
  reads: { x: 'N H W' },
  results: { y: 'N H W' },
  dtypes: { x: 'u32', y: 'u32' },
  derive: (_, { radius = 2 }: SlicTidyOptions) => {
    if (!Number.isInteger(radius) || radius < 1 || radius > 8) {
      throw new ShapeError(
        `slicTidy: radius is ${radius}, should be a whole number of pixels from 1 to 8`,
      );
    }
    return { RADIUS: radius };
  },
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});
