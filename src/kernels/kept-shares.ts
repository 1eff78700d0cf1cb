import direct from '../../shaders/mask/kept-shares.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Gates of several scales as shares of their sum: the weights of a mean over the scales that were kept.
 *
 * gates [T,N] (see {@link keepsClass}) -> shares [T,N] = gates / count, count [N] = sum over t of the gates. Where nothing was kept, both are 0.
 */
export const keptShares = kernel({
  name: 'keptShares',
  reads: { gates: 'T N' },
  results: { shares: 'T N', count: 'N' },
  flops: ({ T, N }) => 2 * T * N,
  variants: [{ name: 'direct', code: direct, groups: ({ N }) => groupsFor(N, 64) }],
});
