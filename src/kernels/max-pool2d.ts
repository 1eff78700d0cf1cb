import direct from '../../shaders/pool/max-pool2d.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { type MaxPoolOptions, poolGeometry } from './pool-shape.js';

/**
 * Max pooling, with the place of each maximum for the way back.
 *
 * x [N,C,H,W] -> y [N,C,P,Q], positions [N,C,P,Q] (u32, `h * W + w` in the map of x). Of equal elements the first in row-major
 * order wins, as in PyTorch.
 */
export const maxPool2d = kernel({
  name: 'maxPool2d',
  reads: { x: 'N C H W' },
  results: { y: 'N C P Q', positions: 'N C P Q' },
  dtypes: { positions: 'u32' },
  derive: (sizes, options: MaxPoolOptions) => poolGeometry('maxPool2d', sizes, options),
  flops: ({ N, C, P, Q, R, S }) => N * C * P * Q * R * S,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, P, Q }) => groupsFor(N * C * P * Q, 64) },
  ],
});
