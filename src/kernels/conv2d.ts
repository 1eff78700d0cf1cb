import direct from '../../shaders/conv/conv2d.wgsl';
import { ShapeError } from '../errors.js';
import { type ConvOptions, convGeometry } from './conv-shape.js';
import { type Activation, activationCode, groupsFor, kernel } from './kernel.js';

export interface Conv2dOptions extends ConvOptions {
  /** Applied to each output element. */
  readonly act?: Activation;
  /** First channel of y to write, and its number of channels: for writing into a concatenation. */
  readonly k0?: number;
  readonly kTotal?: number;
}

/**
 * Convolution (cross-correlation) with zero padding, bias and activation.
 *
 * x [N,C,H,W], w [K,C/groups,R,S], b [K] -> y [N,kTotal,P,Q], of which channels k0 .. k0+K are written.
 */
export const conv2d = kernel({
  name: 'conv2d',
  reads: { x: 'N C H W', w: 'K CG R S', 'b?': 'K' },
  results: { y: 'N KT P Q' },
  derive: (sizes, options: Conv2dOptions) => {
    const { K } = sizes;
    const K0 = options.k0 ?? 0;
    const KT = options.kTotal ?? K;
    if (K0 < 0 || K0 + K > KT) {
      throw new ShapeError(`conv2d: channels ${K0} .. ${K0 + K} should lie within the ${KT} of y`);
    }
    return { ...convGeometry('conv2d', sizes, options), K0, KT, ACT: activationCode(options.act) };
  },
  flops: ({ N, K, P, Q, CG, R, S }) => 2 * N * K * P * Q * CG * R * S,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, K, P, Q }) => groupsFor(N * K * P * Q, 64) },
  ],
});
