import direct from '../../shaders/conv/conv2d.wgsl';
import block from '../../shaders/conv/conv2d-block.wgsl';
import rows from '../../shaders/conv/conv2d-rows.wgsl';
import three from '../../shaders/conv/conv2d-three.wgsl';
import tile from '../../shaders/conv/conv2d-tile.wgsl';
import {
  type ConvOptions,
  channelSlice,
  convGeometry,
  isInRows,
  isThree,
  rowsGroups,
  rowsPay,
  type SliceOptions,
  smallConv,
  tapsOf,
  threeGroups,
  threePays,
} from './conv-shape.js';
import { type Activation, activationCode, groupsFor, kernel } from './kernel.js';

/** `k0` and `kTotal` are for writing into a part of a concatenation. */
export interface Conv2dOptions extends ConvOptions, SliceOptions {
  /** Applied to each output element. */
  readonly act?: Activation;
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
  derive: (sizes, options: Conv2dOptions) => ({
    ...convGeometry('conv2d', sizes, options),
    ...channelSlice('conv2d', sizes.K, options),
    ACT: activationCode(options.act),
  }),
  flops: ({ N, K, P, Q, CG, R, S }) => 2 * N * K * P * Q * CG * R * S,
  variants: [
    {
      name: 'block',
      code: block,
      on: 'gpu',
      groups: ({ N, K, P, Q, GROUPED }) =>
        GROUPED * groupsFor(K / GROUPED, 64) * groupsFor(N * P * Q, 64),
    },
    {
      name: 'three',
      code: three,
      on: 'software',
      fits: isThree,
      pays: threePays,
      groups: threeGroups,
    },
    {
      name: 'rows',
      code: rows,
      on: 'software',
      fits: isInRows,
      pays: rowsPay,
      tuning: (sizes) => ({ TAPS: tapsOf(sizes) }),
      groups: rowsGroups,
    },
    {
      name: 'tile',
      code: tile,
      on: 'software',
      // Compiling it takes a CPU a quarter of a second more than the readable one.
      pays: ({ N, K, P, Q, CG, R, S, GROUPED }) =>
        K / GROUPED >= 4 && N * K * P * Q * CG * R * S >= smallConv,
      groups: ({ N, K, P, Q, GROUPED }) =>
        GROUPED * groupsFor(K / GROUPED, 16) * groupsFor(N * P * Q, 128),
    },
    { name: 'direct', code: direct, groups: ({ N, K, P, Q }) => groupsFor(N * K * P * Q, 64) },
  ],
});
