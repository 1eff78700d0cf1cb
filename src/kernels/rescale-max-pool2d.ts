import direct from '../../shaders/pool/rescale-max-pool2d.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { type InputSize, type MaxPoolOptions, poolGeometryBackward } from './pool-shape.js';

/**
 * Max pooling as DeepLIFT (Shrikumar 2017, rescale rule) goes back through it: what a window gains over the reference goes to its maximum,
 * what it loses to the reference's maximum, each over that place's change. captum's rule, but that windows that overlap add up.
 *
 * dy [N,C,P,Q], x [N,C,H,W], positions [N,C,P,Q] (of `maxPool2d`), x0 and positions0 (of the reference) -> dx [N,C,H,W]. Options are those of the
 * forward kernel, and `inputSize` [H,W].
 */
export const rescaleMaxPool2d = kernel({
  name: 'rescaleMaxPool2d',
  reads: {
    dy: 'N C P Q',
    x: 'N C H W',
    positions: 'N C P Q',
    x0: 'N C H W',
    positions0: 'N C P Q',
  },
  results: { dx: 'N C H W' },
  dtypes: { positions: 'u32', positions0: 'u32' },
  derive: (sizes, options: MaxPoolOptions & InputSize) =>
    poolGeometryBackward('rescaleMaxPool2d', sizes, options),
  flops: ({ N, C, P, Q }) => 6 * N * C * P * Q,
  variants: [
    { name: 'gather', code: direct, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});
