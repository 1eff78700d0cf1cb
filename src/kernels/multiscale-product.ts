import direct from '../../shaders/cam/multiscale-product.wgsl';
import strip from '../../shaders/cam/multiscale-product-strip.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';
import { sidesOf } from './pool-shape.js';
import { alignment } from './resize-bilinear.js';

export interface MultiscaleProductOptions {
  /** Feature maps K of every scale. */
  readonly channels: number;
  /** [P, Q]. */
  readonly outputSize: readonly [number, number];
}

/**
 * Activations and gradients of several scales, enlarged, averaged, multiplied and summed over the feature maps, without one of these steps in
 * memory.
 *
 * a [E], g [E] hold the scales' tensors one after another (see `packRows`): that of scale t, [N,K,h,w] row by row, begins at element o;
 * scales [T,3] (u32: o, h, w), shares [T,N] -> y [N,P,Q] = sum over k of (sum over t of shares[t,n] up(a_t)) (the same of g). A scale of
 * share 0 is not read, and may hold anything.
 *
 * CAMERAS: M. A. A. K. Jalwana et al., "CAMERAS: Enhanced Resolution And Sanity preserving Class Activation Mapping", CVPR 2021.
 */
export const multiscaleProduct = kernel({
  name: 'multiscaleProduct',
  reads: { a: 'E', g: 'E', scales: 'T 3', shares: 'T N' },
  results: { y: 'N P Q' },
  dtypes: { scales: 'u32' },
  derive: ({ E, N }, { channels, outputSize }: MultiscaleProductOptions) => {
    const [P, Q] = sidesOf('multiscaleProduct', 'outputSize', outputSize);
    alignment('multiscaleProduct', { H: 1, W: 1, P, Q }, {}); // for its check of the sides
    if (!Number.isInteger(channels) || channels < 1 || N * channels > E) {
      throw new ShapeError(
        `multiscaleProduct: channels is ${channels}, should be a whole number from 1 to ${Math.floor(E / N)}: a has ${E} elements for ${N} images`,
      );
    }
    return { K: channels, P, Q };
  },
  flops: ({ N, K, T, P, Q }) => N * K * P * Q * (16 * T + 2),
  variants: [
    {
      name: 'strip',
      code: strip,
      on: 'software',
      fits: ({ T }) => T <= 16,
      groups: ({ N, P, Q }) => groupsFor(N * P * Math.ceil(Q / 4), 64),
    },
    { name: 'direct', code: direct, groups: ({ N, P, Q }) => groupsFor(N * P * Q, 64) },
  ],
});
