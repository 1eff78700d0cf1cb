import tree from '../../shaders/reduce/channel-sum.wgsl';
import { channelSlice } from './conv-shape.js';
import { kernel } from './kernel.js';

export interface ChannelSumOptions {
  /** First channel to sum, and the number of channels; default all. */
  readonly k0?: number;
  readonly k?: number;
}

/**
 * Each channel summed over batch and space: the gradient of a bias. For a linear layer reshape dy to [N,K,1,1].
 *
 * dy [N,KT,P,Q] (channels k0 .. k0+k are used) -> db [k].
 */
export const channelSum = kernel({
  name: 'channelSum',
  reads: { dy: 'N KT P Q' },
  results: { db: 'K' },
  derive: ({ KT }, { k0 = 0, k = KT - k0 }: ChannelSumOptions) => ({
    K: k,
    ...channelSlice('channelSum', k, { k0, kTotal: KT }, 'dy'),
  }),
  flops: ({ N, K, P, Q }) => N * K * P * Q,
  variants: [{ name: 'tree', code: tree, groups: ({ K }) => K }],
});
