import direct from '../../shaders/image/sample-affine-maps.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';
import { sidesOf } from './pool-shape.js';
import { filterCode, type SampleFilter } from './sample-affine.js';

export interface SampleAffineMapsOptions {
  /** [P, Q]. */
  readonly outputSize: readonly [number, number];
  /** Resampling filter, stretched where the window is scaled down; bilinear by default. */
  readonly filter?: SampleFilter;
  /** Whether a window is sampled from its own pixels only, as if it had been cut out first; for matrices that map axes to axes. */
  readonly clip?: boolean;
}

/**
 * Windows of maps of numbers, resampled with antialiasing, without rounding.
 *
 * x [B,C,H,W], m [N,12] (as for `sampleAffine`) -> y [N,C,P,Q]. N is a multiple of B: the first N/B windows are of the first
 * image. 0 outside.
 */
export const sampleAffineMaps = kernel({
  name: 'sampleAffineMaps',
  reads: { x: 'B C H W', m: 'N 12' },
  results: { y: 'N C P Q' },
  dtypes: { m: 'f32' },
  derive: ({ B, N }, { outputSize, filter, clip }: SampleAffineMapsOptions) => {
    const [P, Q] = sidesOf('sampleAffineMaps', 'outputSize', outputSize);
    if (N % B !== 0) {
      throw new ShapeError(
        `sampleAffineMaps: ${N} windows should be a multiple of the ${B} images`,
      );
    }
    return { P, Q, CUBIC: filterCode('sampleAffineMaps', filter), CLIP: clip ? 1 : 0 };
  },
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, P, Q }) => groupsFor(N * C * P * Q, 64) },
  ],
});
