import direct from '../../shaders/image/overlay.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * A saliency map in colours, laid back on the photo.
 *
 * photo [H,W] (u32, RGBA from the lowest byte), map [P,Q] (0 .. 1), m [12] (wgpu-matrix mat3 from the photo's pixels to the map's,
 * the inverse of `sampleAffine`'s), colours [256] (u32, with an opacity each), alpha [1] (0 .. 1: how much of an opaque colour) -> y [H,W] (u32). The photo
 * stays as it is where it was cropped away or the map is not finite.
 */
export const overlay = kernel({
  name: 'overlay',
  reads: { photo: 'H W', map: 'P Q', m: '12', colours: '256', alpha: '1' },
  results: { y: 'H W' },
  dtypes: { photo: 'u32', colours: 'u32', y: 'u32', m: 'f32', alpha: 'f32' },
  flops: ({ H, W }) => 30 * H * W,
  variants: [{ name: 'direct', code: direct, groups: ({ H, W }) => groupsFor(H * W, 64) }],
});
