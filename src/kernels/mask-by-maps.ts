import direct from '../../shaders/mask/mask-by-maps.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface MaskByMapsOptions {
  /** Which image of the batch. */
  readonly image: number;
  /** First map, and how many. */
  readonly first: number;
  readonly count: number;
}

/**
 * An image times each of several feature maps, enlarged and stretched to 0..1. image [N,C,P,Q], maps [N,K,H,W], range [N,K,2]
 * (from {@link upsampledRange}) -> y [count,C,P,Q]. A constant map gives zeros.
 */
export const maskByMaps = kernel({
  name: 'maskByMaps',
  reads: { image: 'N C P Q', maps: 'N K H W', range: 'N K 2' },
  results: { y: 'M C P Q' },
  derive: ({ N, K }, { image, first, count }: MaskByMapsOptions) => {
    const whole = [image, first, count].every(Number.isInteger);
    if (!whole || image < 0 || image >= N || first < 0 || count < 1 || first + count > K) {
      throw new ShapeError(
        `maskByMaps: maps ${first} .. ${first + count} of image ${image} should lie within the ${K} of ${N}`,
      );
    }
    return { M: count, IMAGE: image, FIRST: first };
  },
  flops: ({ M, C, P, Q }) => (12 + C) * M * P * Q,
  variants: [{ name: 'direct', code: direct, groups: ({ M, P, Q }) => groupsFor(M * P * Q, 64) }],
});
