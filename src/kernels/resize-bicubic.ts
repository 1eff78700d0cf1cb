import direct from '../../shaders/image/resize-bicubic.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { sidesOf } from './pool-shape.js';
import { alignment } from './resize-bilinear.js';

/**
 * Bicubic interpolation without antialiasing. x [N,C,H,W] -> y [N,C,P,Q], option `outputSize` [P,Q].
 *
 * PyTorch's `interpolate(mode='bicubic', align_corners=False)`: cubic convolution with a = -0.75, pixels beyond the border as those on
 * it. It overshoots: results may lie outside the range of x.
 */
export const resizeBicubic = kernel({
  name: 'resizeBicubic',
  reads: { x: 'N C H W' },
  results: { y: 'N C P Q' },
  derive: (sizes, options: { readonly outputSize: readonly [number, number] }) => {
    const [P, Q] = sidesOf('resizeBicubic', 'outputSize', options.outputSize);
    alignment('resizeBicubic', { ...sizes, P, Q }, {}); // for its check of the sides
    return { P, Q };
  },
  flops: ({ N, C, P, Q }) => 68 * N * C * P * Q,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, P, Q }) => groupsFor(N * C * P * Q, 64) },
  ],
});
