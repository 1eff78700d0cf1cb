import direct from '../../shaders/cam/weighted-sum.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** Feature maps summed with one weight a map. x [N,K,H,W], w [N,K] -> y [N,H,W]. */
export const weightedSum = kernel({
  name: 'weightedSum',
  reads: { x: 'N K H W', w: 'N K' },
  results: { y: 'N H W' },
  flops: ({ N, K, H, W }) => 2 * N * K * H * W,
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});
