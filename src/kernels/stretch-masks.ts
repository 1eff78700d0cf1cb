import direct from '../../shaders/mask/stretch-masks.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Feature maps stretched so that, once enlarged, they run from 0 to 1. x [N,K,H,W], range [N,K,2] (from `upsampledRange`),
 * order? [N,K] (which map is in each place of the result; as they are without) -> y [N,K,H,W].
 *
 * Maps that are constant once enlarged give 0. Elements that enlarging never reaches may lie outside 0 .. 1.
 */
export const stretchMasks = kernel({
  name: 'stretchMasks',
  reads: { x: 'N K H W', range: 'N K 2', 'order?': 'N K' },
  results: { y: 'N K H W' },
  dtypes: { order: 'u32' },
  flops: ({ N, K, H, W }) => 3 * N * K * H * W,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, K, H, W }) => groupsFor(N * K * H * W, 64) },
  ],
});
