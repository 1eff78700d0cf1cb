import direct from '../../shaders/pool/adaptive-avg-pool2d.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { sidesOf } from './pool-shape.js';

export interface AdaptiveAvgPoolOptions {
  /** [P, Q]; may be larger than the input. */
  readonly outputSize: readonly [number, number];
}

/** Average pooling to a given size. x [N,C,H,W] -> y [N,C,P,Q]. PyTorch's windows, which may overlap. */
export const adaptiveAvgPool2d = kernel({
  name: 'adaptiveAvgPool2d',
  reads: { x: 'N C H W' },
  results: { y: 'N C P Q' },
  derive: (_sizes, { outputSize }: AdaptiveAvgPoolOptions) => {
    const [P, Q] = sidesOf('adaptiveAvgPool2d', 'outputSize', outputSize);
    return { P, Q };
  },
  flops: ({ N, C, H, W, P, Q }) => N * C * Math.max(H, P) * Math.max(W, Q),
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, P, Q }) => groupsFor(N * C * P * Q, 64) },
  ],
});
