import direct from '../../shaders/cam/group-sum.wgsl';
import { ShapeError } from '../errors.js';
import { type Activation, activationCode, groupsFor, kernel } from './kernel.js';

export interface GroupSumOptions {
  /** Number of groups B, from 1 to K. */
  readonly groups: number;
  /** Applied to the sums; none by default. */
  readonly act?: Activation;
}

/**
 * Neighbouring feature maps added up in groups, with weights w? [N,K]. x [N,K,H,W] -> y [N,B,H,W].
 *
 * Groups are as even as can be: where B does not divide K, the first K mod B groups have one map more than the others. A NaN stays.
 */
export const groupSum = kernel({
  name: 'groupSum',
  reads: { x: 'N K H W', 'w?': 'N K' },
  results: { y: 'N B H W' },
  derive: ({ K }, { groups, act }: GroupSumOptions) => {
    if (!Number.isInteger(groups) || groups < 1 || groups > K) {
      throw new ShapeError(
        `groupSum: groups is ${groups}, should be a whole number from 1 to ${K}, the number of maps`,
      );
    }
    return { B: groups, ACT: activationCode(act) };
  },
  flops: ({ N, K, H, W, HAS_W }) => (1 + HAS_W) * N * K * H * W,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, B, H, W }) => groupsFor(N * B * H * W, 64) },
  ],
});
