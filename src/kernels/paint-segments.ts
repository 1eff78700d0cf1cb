import direct from '../../shaders/segment/paint-segments.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** Gives each pixel the value of its segment. labels [N,H,W], values [N,S] -> y [N,H,W]; 0 for a label from S on. */
export const paintSegments = kernel({
  name: 'paintSegments',
  reads: { labels: 'N H W', values: 'N S' },
  results: { y: 'N H W' },
  dtypes: { labels: 'u32' },
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});
