import direct from '../../shaders/mask/blend.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

/**
 * Masked images: an image where its mask is 1, a canvas where it is 0, their mean by the mask's share between.
 *
 * x [B,C,H,W], mask [M,H,W], canvas? [B,C,H,W] (a blurred image, say; 0 without) -> y [M,C,H,W] = x mask + canvas (1 - mask). M is a multiple
 * of B: the first M/B masks are of the first image; or any number, all of the image that `image` says. A NaN in x or canvas stays, whatever the mask.
 */
export const blend = kernel({
  name: 'blend',
  reads: { x: 'B C H W', mask: 'M H W', 'canvas?': 'B C H W' },
  results: { y: 'M C H W' },
  derive: ({ B, M }, { image }: { readonly image?: number }) => {
    if (image === undefined && M % B !== 0) {
      throw new ShapeError(`blend: ${M} masks should be a multiple of the ${B} images`);
    }
    if (image !== undefined && (!Number.isInteger(image) || image < 0 || image >= B)) {
      throw new ShapeError(`blend: image ${image} should be one of the ${B}`);
    }
    // The masks of one image may be fewer than the images.
    const EACH = Math.max(1, Math.floor(M / B));
    return { EACH, ONE: image === undefined ? 0 : 1, IMAGE: image ?? 0 };
  },
  flops: ({ M, C, H, W }) => 4 * M * C * H * W,
  variants: [
    { name: 'direct', code: direct, groups: ({ M, C, H, W }) => groupsFor(M * C * H * W, 64) },
  ],
});
