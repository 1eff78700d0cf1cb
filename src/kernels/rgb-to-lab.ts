import direct from '../../shaders/segment/rgb-to-lab.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';
import { imageNet, type Rgb } from './sample-affine.js';

/** How an image was normalised: colours of 0 .. 1, less the mean, divided by the standard deviation. ImageNet's by default. */
export interface NormalisedOptions {
  readonly mean?: Rgb | undefined;
  readonly std?: Rgb | undefined;
}

/**
 * A normalised image in CIE Lab (D65), where distances are about as large as they look.
 *
 * x [N,3,H,W] -> y [N,3,H,W]: L in 0 .. 100, a and b in about -110 .. 110. Colours outside 0 .. 1 are clamped.
 */
export const rgbToLab = kernel({
  name: 'rgbToLab',
  reads: { x: 'N 3 H W' },
  results: { y: 'N 3 H W' },
  derive: (_, { mean = imageNet.mean, std = imageNet.std }: NormalisedOptions) => {
    for (const [name, values] of Object.entries({ mean, std })) {
      const isFit = (v: number) => Number.isFinite(v) && (name === 'mean' || v > 0);
      if (values.length !== 3 || !values.every(isFit)) {
        throw new ShapeError(
          `rgbToLab: ${name} is ${JSON.stringify(values)}, should be three numbers, those of std above 0`,
        );
      }
    }
    return {
      MEAN_R: mean[0],
      MEAN_G: mean[1],
      MEAN_B: mean[2],
      STD_R: std[0],
      STD_G: std[1],
      STD_B: std[2],
    };
  },
  flops: ({ N, H, W }) => 60 * N * H * W,
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});
