import direct from '../../shaders/mask/mask-gradient.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Gradient of a score with respect to the mask that blended the image: `blend` backward, for one mask an image.
 *
 * dx [N,C,H,W] (gradient at the blended image), image [N,C,H,W], canvas? [N,C,H,W] (0 without) -> dm [N,1,H,W].
 */
export const maskGradient = kernel({
  name: 'maskGradient',
  reads: { dx: 'N C H W', image: 'N C H W', 'canvas?': 'N C H W' },
  results: { dm: 'N 1 H W' },
  flops: ({ N, C, H, W }) => 3 * N * C * H * W,
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});
