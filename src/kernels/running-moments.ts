import direct from '../../shaders/cam/running-moments.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Takes one more gradient into the mean and the population variance of those before it (B. P. Welford, Technometrics 1962).
 *
 * g [N,K,H,W], share [1] = 1 / n for the n-th gradient -> m [2,N,K,H,W], mean and variance (record with `into` after the first).
 */
export const runningMoments = kernel({
  name: 'runningMoments',
  reads: { g: 'N K H W', share: '1' },
  results: { m: '2 N K H W' },
  derive: ({ N, K, H, W }) => ({ SIZE: N * K * H * W }),
  flops: ({ SIZE }) => 7 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
