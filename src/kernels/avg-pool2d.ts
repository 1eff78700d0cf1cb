import direct from '../../shaders/pool/avg-pool2d.wgsl';
import { groupsFor, kernel, type Sizes } from './kernel.js';
import { type PoolOptions, poolGeometry } from './pool-shape.js';

export interface AvgPoolOptions extends PoolOptions {
  /** Whether padding counts in the divisor; true by default. What ceil mode adds past the padding never does. */
  readonly countIncludePad?: boolean;
}

/** The constant `INCLUDE_PAD`. */
export const includePad = ({ countIncludePad = true }: AvgPoolOptions) => ({
  INCLUDE_PAD: countIncludePad ? 1 : 0,
});

/** Average pooling. x [N,C,H,W] -> y [N,C,P,Q]. PyTorch's rules. */
export const avgPool2d = kernel({
  name: 'avgPool2d',
  reads: { x: 'N C H W' },
  results: { y: 'N C P Q' },
  derive: (sizes: Sizes, options: AvgPoolOptions) => ({
    ...poolGeometry('avgPool2d', sizes, options),
    ...includePad(options),
  }),
  flops: ({ N, C, P, Q, R, S }) => N * C * P * Q * R * S,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, P, Q }) => groupsFor(N * C * P * Q, 64) },
  ],
});
