import direct from '../../shaders/mask/expand-masks.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { type MaskOptions, maskConstants } from './mask-source.js';
import { sidesOf } from './pool-shape.js';

export interface ExpandMasksOptions extends MaskOptions {
  /** [H, W]. */
  readonly outputSize: readonly [number, number];
}

/**
 * Masks at full size. field? [F,h,w], labels? [L], at [5] (see {@link MaskKind}, {@link masksAt}) -> y [count,H,W].
 *
 * RISE's depend on their number only, not on the batch they are made in; their grids are enlarged as
 * the authors' program does by scikit-image (order 1, mirrored border), not as clamped bilinear resizing.
 */
export const expandMasks = kernel({
  name: 'expandMasks',
  reads: { 'field?': 'F FH FW', 'labels?': 'L', at: '5' },
  results: { y: 'M H W' },
  dtypes: { labels: 'u32', at: 'u32' },
  derive: (sizes, options: ExpandMasksOptions) => {
    const [H, W] = sidesOf('expandMasks', 'outputSize', options.outputSize);
    return { M: options.count, H, W, ...maskConstants('expandMasks', { ...sizes, H, W }, options) };
  },
  flops: ({ M, H, W, SOURCE }) => (SOURCE === 1 ? 60 : 12) * M * H * W,
  variants: [{ name: 'direct', code: direct, groups: ({ M, H, W }) => groupsFor(M * H * W, 64) }],
});
