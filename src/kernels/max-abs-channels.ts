import direct from '../../shaders/cam/max-abs-channels.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** Largest magnitude over the channels at each pixel. x [N,C,H,W] -> y [N,H,W]. */
export const maxAbsChannels = kernel({
  name: 'maxAbsChannels',
  reads: { x: 'N C H W' },
  results: { y: 'N H W' },
  flops: ({ N, C, H, W }) => N * C * H * W,
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});
