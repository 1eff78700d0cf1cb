import direct from '../../shaders/pool/max-pool2d-values.wgsl';
import strip from '../../shaders/pool/max-pool2d-values-strip.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { type MaxPoolOptions, poolGeometry } from './pool-shape.js';

/** Max pooling without positions, for inference. x [N,C,H,W] -> y [N,C,P,Q]. */
export const maxPool2dValues = kernel({
  name: 'maxPool2dValues',
  reads: { x: 'N C H W' },
  results: { y: 'N C P Q' },
  derive: (sizes, options: MaxPoolOptions) => poolGeometry('maxPool2dValues', sizes, options),
  flops: ({ N, C, P, Q, R, S }) => N * C * P * Q * R * S,
  variants: [
    {
      name: 'strip',
      code: strip,
      on: 'software',
      fits: ({ R, S }) => R <= 3 && S <= 3,
      groups: ({ N, C, P, Q }) => groupsFor(N * C * P * groupsFor(Q, 7), 16),
    },
    { name: 'direct', code: direct, groups: ({ N, C, P, Q }) => groupsFor(N * C * P * Q, 64) },
  ],
});
