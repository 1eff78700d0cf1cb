import direct from '../../shaders/image/path-points.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Images on the straight line from a baseline (0) to an image (1).
 *
 * x [N,C,H,W], at [J] places on the line, base? [N,C,H,W] (0 without) -> y [N J,C,H,W], the points of one image next to each other.
 */
export const pathPoints = kernel({
  name: 'pathPoints',
  reads: { x: 'N C H W', at: 'J', 'base?': 'N C H W' },
  results: { y: 'NJ C H W' },
  derive: ({ N, J }) => ({ NJ: N * J }),
  flops: ({ NJ, C, H, W }) => 3 * NJ * C * H * W,
  variants: [
    { name: 'direct', code: direct, groups: ({ NJ, C, H, W }) => groupsFor(NJ * C * H * W, 64) },
  ],
});
