import direct from '../../shaders/activation/channel-slice.wgsl';
import { checkChannels } from './concat.js';
import { groupsFor, kernel } from './kernel.js';

export interface ChannelSliceOptions {
  /** First channel of x to copy; 0 by default. */
  readonly k0?: number;
  /** Channels to copy; by default all from k0 on. */
  readonly channels?: number;
}

/** Copies channels k0 .. k0+C of x; the gradient of `concat`. x [N,KT,H,W] -> y [N,C,H,W]. */
export const channelSlice = kernel({
  name: 'channelSlice',
  reads: { x: 'N KT H W' },
  results: { y: 'N C H W' },
  derive: ({ KT }, { k0 = 0, channels = KT - k0 }: ChannelSliceOptions) => {
    checkChannels('channelSlice', k0, channels, KT);
    return { K0: k0, C: channels };
  },
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});
