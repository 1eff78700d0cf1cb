import direct from '../../shaders/image/sample-affine.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';
import { sidesOf } from './pool-shape.js';

export type SampleFilter = 'bilinear' | 'bicubic';

/** Three numbers, of red, green and blue. */
export type Rgb = readonly [number, number, number];

export interface SampleAffineOptions {
  /** [P, Q]. */
  readonly outputSize: readonly [number, number];
  /** Resampling filter, stretched where the window is scaled down; bilinear by default. */
  readonly filter?: SampleFilter;
  /** Subtracted from colours of 0 .. 1; ImageNet's mean by default. */
  readonly mean?: Rgb;
  /** Divides what is left; ImageNet's standard deviation by default. */
  readonly std?: Rgb;
  /** Round to 8 bits after each axis, as Pillow does; true by default. */
  readonly round8?: boolean;
  /** First image of y to write, and its number of images: for a batch of several photos. */
  readonly n0?: number;
  readonly nTotal?: number;
}

/** What torchvision's ImageNet networks were trained with. */
export const imageNet: { readonly mean: Rgb; readonly std: Rgb } = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/**
 * Windows of a photo, resampled with antialiasing and normalised: a network's input.
 *
 * photo [H,W] (u32: bytes R, G, B, A from the lowest; A is ignored), m [N,12] -> y [nTotal,3,P,Q], of which images n0 .. n0+N are
 * written. Each m is a wgpu-matrix mat3 that takes an output pixel's centre (q + 1/2, p + 1/2) to the photo, where pixel (0, 0)
 * covers 0 .. 1; scales, flips, shifts and turns by 90 degrees. Within one 8-bit step of Pillow; black outside the photo.
 */
export const sampleAffine = kernel({
  name: 'sampleAffine',
  reads: { photo: 'H W', m: 'N 12' },
  results: { y: 'NT 3 P Q' },
  dtypes: { photo: 'u32', m: 'f32' },
  derive: ({ N }, options: SampleAffineOptions) => {
    const [P, Q] = sidesOf('sampleAffine', 'outputSize', options.outputSize);
    const { n0 = 0, nTotal = N, mean = imageNet.mean, std = imageNet.std } = options;
    if (!Number.isInteger(n0) || !Number.isInteger(nTotal) || n0 < 0 || n0 + N > nTotal) {
      throw new ShapeError(
        `sampleAffine: images ${n0} .. ${n0 + N} should be whole numbers within the ${nTotal} of y`,
      );
    }
    for (const [name, values] of Object.entries({ mean, std })) {
      if (
        values.length !== 3 ||
        !values.every((v) => Number.isFinite(v) && (name === 'mean' || v > 0))
      ) {
        throw new ShapeError(
          `sampleAffine: ${name} is ${JSON.stringify(values)}, should be three numbers, those of std above 0`,
        );
      }
    }
    return {
      P,
      Q,
      N0: n0,
      NT: nTotal,
      CUBIC: filterCode('sampleAffine', options.filter),
      ROUND8: (options.round8 ?? true) ? 1 : 0,
      MEAN_R: mean[0],
      MEAN_G: mean[1],
      MEAN_B: mean[2],
      STD_R: std[0],
      STD_G: std[1],
      STD_B: std[2],
    };
  },
  variants: [{ name: 'direct', code: direct, groups: ({ N, P, Q }) => groupsFor(N * P * Q, 64) }],
});

/** The constant `CUBIC`. */
export function filterCode(kernelName: string, filter: SampleFilter = 'bilinear'): number {
  const code = ['bilinear', 'bicubic'].indexOf(filter);
  if (code < 0) {
    throw new ShapeError(`${kernelName}: filter is ${filter}, should be bilinear or bicubic`);
  }
  return code;
}
