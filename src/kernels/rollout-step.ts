import direct from '../../shaders/attention/rollout-step.wgsl';
import { groupsFor, kernel } from './kernel.js';

export interface RolloutStepOptions {
  /** Whether the identity is added to the matrix: the path past the attention; default true. */
  readonly identity?: boolean;
}

/**
 * A row times a matrix for each image, r (I + m): of a product of attention matrices one row is wanted, so that it takes T^2 a block, not T^3.
 *
 * r [N,T], m [N,T,T], s? [N,T] (the rows' sums, by which the rows of I + m are divided; a row that adds up to 0 counts as none) -> y [N,T].
 */
export const rolloutStep = kernel({
  name: 'rolloutStep',
  reads: { r: 'N T', m: 'N T T', 's?': 'N T' },
  results: { y: 'N T' },
  derive: (_sizes, { identity = true }: RolloutStepOptions) => ({ IDENTITY: identity ? 1 : 0 }),
  flops: ({ N, T }) => 2 * N * T * T,
  variants: [{ name: 'direct', code: direct, groups: ({ N, T }) => groupsFor(N * T, 64) }],
});
