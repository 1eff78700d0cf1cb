import direct from '../../shaders/norm/batch-norm2d.wgsl';
import { ShapeError } from '../errors.js';
import { type Activation, activationCode, groupsFor, kernel } from './kernel.js';

export interface BatchNormOptions {
  /** Added to the variance; 1e-5 by default. */
  readonly eps?: number;
}

/** The constant `EPS`. */
export function epsilon(kernelName: string, { eps = 1e-5 }: BatchNormOptions) {
  if (!(eps >= 0)) throw new ShapeError(`${kernelName}: eps is ${eps}, should be at least 0`);
  return { EPS: eps };
}

/**
 * Batch normalisation with stored statistics (evaluation mode), and an activation.
 *
 * x [N,C,H,W], w b mean variance [C] -> y [N,C,H,W].
 */
export const batchNorm2d = kernel({
  name: 'batchNorm2d',
  reads: { x: 'N C H W', w: 'C', b: 'C', mean: 'C', variance: 'C' },
  results: { y: 'N C H W' },
  derive: (_sizes, options: BatchNormOptions & { readonly act?: Activation }) => ({
    ...epsilon('batchNorm2d', options),
    ACT: activationCode(options.act),
  }),
  flops: ({ N, C, H, W }) => 3 * N * C * H * W,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});
