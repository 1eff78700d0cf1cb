import direct from '../../shaders/mask/ablate-channels.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

/**
 * Copies of one image's activation, each with another feature map set to 0. x [N,K,H,W], at [5] (the image, and the map that the first copy
 * lacks: see {@link masksAt}) -> y [count,K,H,W].
 */
export const ablateChannels = kernel({
  name: 'ablateChannels',
  reads: { x: 'N K H W', at: '5' },
  results: { y: 'M K H W' },
  dtypes: { at: 'u32' },
  derive: ({ K }, { count }: { readonly count: number }) => {
    if (!Number.isInteger(count) || count < 1 || count > K) {
      throw new ShapeError(
        `ablateChannels: count is ${count}, should be a whole number from 1 to ${K}, the number of maps`,
      );
    }
    return { M: count };
  },
  variants: [
    { name: 'direct', code: direct, groups: ({ M, K, H, W }) => groupsFor(M * K * H * W, 64) },
  ],
});
