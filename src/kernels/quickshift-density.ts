import direct from '../../shaders/segment/quickshift-density.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface QuickshiftDensityOptions {
  /** Standard deviation, in pixels, of the Gaussian that a pixel looks at; its window reaches three times as far. Above 0, at most 64. */
  readonly kernelSize: number;
  /** Weight of colour (Lab, L of 0 .. 100) against place, from 0 on. */
  readonly ratio: number;
}

/**
 * How close the pixels around each pixel are to it, in colour and place: quickshift's density. lab [N,3,H,W] -> y [N,H,W].
 *
 * The windows of ceil(3 kernelSize) pixels each way end at the image's border, as scikit-image's do.
 */
export const quickshiftDensity = kernel({
  name: 'quickshiftDensity',
  reads: { lab: 'N 3 H W' },
  results: { y: 'N H W' },
  dtypes: { y: 'f32' },
  derive: (_, options: QuickshiftDensityOptions) => quickshiftWindow('quickshiftDensity', options),
  flops: ({ N, H, W, RADIUS }) => 15 * N * H * W * (2 * RADIUS + 1) ** 2,
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});

/** The constants of a quickshift window, from checked options. */
export function quickshiftWindow(
  kernelName: string,
  { kernelSize, ratio }: QuickshiftDensityOptions,
) {
  if (!(kernelSize > 0 && kernelSize <= 64)) {
    throw new ShapeError(
      `${kernelName}: kernelSize is ${kernelSize}, should be above 0 and at most 64 pixels`,
    );
  }
  if (!(ratio >= 0 && ratio < Number.POSITIVE_INFINITY)) {
    throw new ShapeError(`${kernelName}: ratio is ${ratio}, should be 0 or more`);
  }
  return { RADIUS: Math.ceil(3 * kernelSize), KERNEL: kernelSize, RATIO: ratio };
}
