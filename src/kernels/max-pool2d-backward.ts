import direct from '../../shaders/pool/max-pool2d-backward.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { type InputSize, type MaxPoolOptions, poolGeometryBackward } from './pool-shape.js';

/**
 * Gradient of max pooling. dy [N,C,P,Q], positions [N,C,P,Q] (from `maxPool2d`) -> dx [N,C,H,W].
 *
 * Options are those of the forward kernel, and `inputSize` [H,W].
 */
export const maxPool2dBackward = kernel({
  name: 'maxPool2dBackward',
  reads: { dy: 'N C P Q', positions: 'N C P Q' },
  results: { dx: 'N C H W' },
  dtypes: { positions: 'u32' },
  derive: (sizes, options: MaxPoolOptions & InputSize) =>
    poolGeometryBackward('maxPool2dBackward', sizes, options),
  flops: ({ N, C, P, Q }) => N * C * P * Q,
  variants: [
    { name: 'gather', code: direct, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});
