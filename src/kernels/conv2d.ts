import direct from '../../shaders/conv/conv2d.wgsl';
import block from '../../shaders/conv/conv2d-block.wgsl';
import blockScalar from '../../shaders/conv/conv2d-block-scalar.wgsl';
import deep from '../../shaders/conv/conv2d-deep.wgsl';
import depthwise from '../../shaders/conv/conv2d-depthwise.wgsl';
import matrix from '../../shaders/conv/conv2d-matrix.wgsl';
import patch from '../../shaders/conv/conv2d-patch.wgsl';
import point from '../../shaders/conv/conv2d-point.wgsl';
import product from '../../shaders/conv/conv2d-product.wgsl';
import rows from '../../shaders/conv/conv2d-rows.wgsl';
import three from '../../shaders/conv/conv2d-three.wgsl';
import tile from '../../shaders/conv/conv2d-tile.wgsl';
import wide from '../../shaders/conv/conv2d-wide.wgsl';
import {
  type ConvOptions,
  channelSlice,
  convGeometry,
  deepPays,
  hasFours,
  isInRows,
  isPoint,
  isThree,
  isWide,
  matrixPays,
  patchGroups,
  patchPays,
  patchTuning,
  pointGroups,
  pointPays,
  pointWidth,
  pooledSize,
  productTiles,
  rowsGroups,
  rowsPay,
  type SliceOptions,
  smallConv,
  tapsOf,
  threeGroups,
  threePays,
  widePays,
} from './conv-shape.js';
import { type Activation, activationCode, groupsFor, kernel, type Sizes } from './kernel.js';
import { matrixVariants } from './matrix-variant.js';

/** `k0` and `kTotal` are for writing into a part of a concatenation. */
export interface Conv2dOptions extends ConvOptions, SliceOptions {
  /** Applied to each output element. */
  readonly act?: Activation;
  /** Write the largest of each 2 x 2 outputs only: max pooling of size and stride 2, a last odd row or column left out. */
  readonly pool?: boolean;
}

/** Variants that write every output. */
const isWhole = ({ POOL }: Sizes): boolean => POOL === 0;

/**
 * Convolution (cross-correlation) with zero padding, bias and activation.
 *
 * x [N,C,H,W], w [K,C/groups,R,S], b [K] -> y [N,kTotal,OP,OQ], of which channels k0 .. k0+K are written; [OP,OQ] is [P,Q], or half of it with `pool`.
 */
export const conv2d = kernel({
  name: 'conv2d',
  reads: { x: 'N C H W', w: 'K CG R S', 'b?': 'K' },
  results: { y: 'N KT OP OQ' },
  derive: (sizes, options: Conv2dOptions) => {
    const geometry = convGeometry('conv2d', sizes, options);
    return {
      ...geometry,
      ...pooledSize('conv2d', geometry, options.pool),
      ...channelSlice('conv2d', sizes.K, options),
      ACT: activationCode(options.act),
    };
  },
  flops: ({ N, K, P, Q, CG, R, S }) => 2 * N * K * P * Q * CG * R * S,
  variants: [
    {
      name: 'depthwise',
      code: depthwise,
      fits: (sizes) => sizes.CG === 1 && isWhole(sizes),
      // With more filters a channel the others share what they read of x.
      pays: ({ K, GROUPED }) => K / GROUPED < 4,
      groups: ({ N, K, P, Q }) => groupsFor(N * K * P * groupsFor(Q, 8), 64),
    },
    {
      name: 'patch',
      code: patch,
      on: 'gpu',
      fits: (sizes) => isWhole(sizes) && patchTuning(sizes, 1) !== undefined,
      pays: (sizes) => patchPays(sizes, 1),
      tuning: (sizes) => ({ ...patchTuning(sizes, 1) }),
      groups: patchGroups,
    },
    {
      name: 'deep',
      code: deep,
      on: 'gpu',
      fits: hasFours,
      pays: deepPays,
      groups: ({ N, K, P, Q, GROUPED }) =>
        GROUPED * groupsFor(K / GROUPED, 16) * groupsFor(N * P * Q, 16),
    },
    ...matrixVariants(matrix, {
      pays: matrixPays,
      groups: (sizes) => productTiles(sizes, 64),
    }),
    {
      name: 'product',
      code: product,
      on: 'gpu',
      fits: (sizes) =>
        isWhole(sizes) && isPoint(sizes) && hasFours(sizes) && (sizes.P * sizes.Q) % 4 === 0,
      groups: (sizes) => productTiles(sizes, 64),
    },
    {
      name: 'wide',
      code: wide,
      on: 'gpu',
      fits: (sizes) => hasFours(sizes) && isWide(sizes),
      pays: widePays,
      groups: (sizes) => productTiles(sizes, 128),
    },
    {
      name: 'block',
      code: block,
      on: 'gpu',
      fits: hasFours,
      groups: (sizes) => productTiles(sizes, 64),
    },
    {
      name: 'block-scalar',
      code: blockScalar,
      on: 'gpu',
      fits: (sizes) => !hasFours(sizes),
      groups: (sizes) => productTiles(sizes, 64),
    },
    {
      name: 'three',
      code: three,
      on: 'software',
      fits: (sizes) => isWhole(sizes) && isThree(sizes),
      pays: threePays,
      groups: threeGroups,
    },
    {
      name: 'rows',
      code: rows,
      on: 'software',
      fits: (sizes) => isWhole(sizes) && isInRows(sizes),
      pays: rowsPay,
      tuning: (sizes) => ({ TAPS: tapsOf(sizes) }),
      groups: rowsGroups,
    },
    {
      name: 'point',
      code: point,
      on: 'software',
      needs: ({ features }) => features.has('subgroups'),
      fits: (sizes) => isWhole(sizes) && isPoint(sizes) && sizes.CG % 4 === 0,
      pays: pointPays,
      tuning: pointWidth,
      groups: pointGroups,
    },
    {
      name: 'tile',
      code: tile,
      on: 'software',
      fits: isWhole,
      // Compiling it takes a CPU a quarter of a second more than the readable one.
      pays: ({ N, K, P, Q, CG, R, S, GROUPED }) =>
        K / GROUPED >= 4 && N * K * P * Q * CG * R * S >= smallConv,
      groups: ({ N, K, P, Q, GROUPED }) =>
        GROUPED * groupsFor(K / GROUPED, 16) * groupsFor(N * P * Q, 128),
    },
    { name: 'direct', code: direct, groups: ({ N, K, OP, OQ }) => groupsFor(N * K * OP * OQ, 64) },
  ],
});
