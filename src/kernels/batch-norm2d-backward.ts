import direct from '../../shaders/norm/batch-norm2d-backward.wgsl';
import parameters from '../../shaders/norm/batch-norm2d-backward-params.wgsl';
import { type BatchNormOptions, epsilon } from './batch-norm2d.js';
import { groupsFor, kernel } from './kernel.js';

/**
 * Gradient of `batchNorm2d` with respect to its input; the statistics are constants.
 *
 * dy [N,C,H,W], w variance [C] -> dx [N,C,H,W].
 */
export const batchNorm2dBackward = kernel({
  name: 'batchNorm2dBackward',
  reads: { dy: 'N C H W', w: 'C', variance: 'C' },
  results: { dx: 'N C H W' },
  derive: (_sizes, options: BatchNormOptions) => epsilon('batchNorm2dBackward', options),
  flops: ({ N, C, H, W }) => N * C * H * W,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});

/** Gradient of `batchNorm2d` with respect to weight and bias. dy x [N,C,H,W], mean variance [C] -> dw db [C]. */
export const batchNorm2dBackwardParams = kernel({
  name: 'batchNorm2dBackwardParams',
  reads: { dy: 'N C H W', x: 'N C H W', mean: 'C', variance: 'C' },
  results: { dw: 'C', db: 'C' },
  derive: (_sizes, options: BatchNormOptions) => epsilon('batchNorm2dBackwardParams', options),
  flops: ({ N, C, H, W }) => 4 * N * C * H * W,
  variants: [{ name: 'tree', code: parameters, groups: ({ C }) => C }],
});
