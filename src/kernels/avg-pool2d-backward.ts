import direct from '../../shaders/pool/avg-pool2d-backward.wgsl';
import { type AvgPoolOptions, includePad } from './avg-pool2d.js';
import { groupsFor, kernel, type Sizes } from './kernel.js';
import { type InputSize, poolGeometryBackward } from './pool-shape.js';

/** Gradient of average pooling. dy [N,C,P,Q] -> dx [N,C,H,W]; options of the forward kernel, and `inputSize` [H,W]. */
export const avgPool2dBackward = kernel({
  name: 'avgPool2dBackward',
  reads: { dy: 'N C P Q' },
  results: { dx: 'N C H W' },
  derive: (sizes: Sizes, options: AvgPoolOptions & InputSize) => ({
    ...poolGeometryBackward('avgPool2dBackward', sizes, options),
    ...includePad(options),
  }),
  flops: ({ N, C, P, Q, R, S }) => 2 * N * C * P * Q * R * S,
  variants: [
    { name: 'gather', code: direct, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});
