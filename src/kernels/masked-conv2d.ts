import direct from '../../shaders/conv/masked-conv2d.wgsl';
import block from '../../shaders/conv/masked-conv2d-block.wgsl';
import patch from '../../shaders/conv/masked-conv2d-patch.wgsl';
import rows from '../../shaders/conv/masked-conv2d-rows.wgsl';
import three from '../../shaders/conv/masked-conv2d-three.wgsl';
import tile from '../../shaders/conv/masked-conv2d-tile.wgsl';
import {
  channelSlice,
  convGeometry,
  isInRows,
  isThree,
  patchGroups,
  patchPays,
  patchTuning,
  rowsGroups,
  rowsPay,
  smallConv,
  tapsOf,
  threeGroups,
  threePays,
} from './conv-shape.js';
import type { Conv2dOptions } from './conv2d.js';
import { activationCode, groupsFor, kernel, type Sizes } from './kernel.js';
import { type MaskOptions, maskConstants } from './mask-source.js';

/** Of the convolution, and of the masks; `count` copies of one image are made. */
export type MaskedConv2dOptions = Omit<Conv2dOptions, 'pool'> & Omit<MaskOptions, 'images'>;

/** Whether the masks are maps of the image's size: what the variants for software adapters load. */
const isExpanded = ({ SOURCE, FH, FW, H, W }: Sizes): boolean =>
  SOURCE === 0 && FH === H && FW === W;

/**
 * A convolution of masked copies of one image, which are made as they are loaded: the copies are never in memory. It is the first layer of
 * every perturbation method.
 *
 * x [I,C,H,W] the images, w [K,C/groups,R,S], b? [K], canvas? [I,C,H,W] (what shows where a mask is 0; black without), field?, labels? and
 * at [5] (the masks, see {@link MaskKind} and {@link masksAt}) -> y [count,kTotal,P,Q], of which channels k0 .. k0+K are written.
 */
export const maskedConv2d = kernel({
  name: 'maskedConv2d',
  reads: {
    x: 'I C H W',
    w: 'K CG R S',
    'b?': 'K',
    'canvas?': 'I C H W',
    'field?': 'F FH FW',
    'labels?': 'L',
    at: '5',
  },
  results: { y: 'N KT P Q' },
  dtypes: { labels: 'u32', at: 'u32' },
  derive: (sizes, options: MaskedConv2dOptions) => ({
    N: options.count,
    ...convGeometry('maskedConv2d', sizes, options),
    ...channelSlice('maskedConv2d', sizes.K, options),
    ...maskConstants('maskedConv2d', sizes, { ...options, images: sizes.I }),
    ACT: activationCode(options.act),
  }),
  flops: ({ N, K, P, Q, CG, R, S, C, H, W }) => 2 * N * K * P * Q * CG * R * S + 4 * N * C * H * W,
  variants: [
    {
      name: 'patch',
      code: patch,
      on: 'gpu',
      // A pixel and its mask.
      fits: (sizes) => patchTuning(sizes, 2) !== undefined,
      pays: (sizes) => patchPays(sizes, 2),
      tuning: (sizes) => ({ ...patchTuning(sizes, 2) }),
      groups: patchGroups,
    },
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
      fits: (sizes) => isThree(sizes) && isExpanded(sizes),
      pays: threePays,
      groups: threeGroups,
    },
    {
      name: 'rows',
      code: rows,
      on: 'software',
      fits: (sizes) => isInRows(sizes) && isExpanded(sizes),
      pays: rowsPay,
      tuning: (sizes) => ({ TAPS: tapsOf(sizes) }),
      groups: rowsGroups,
    },
    {
      name: 'tile',
      code: tile,
      on: 'software',
      fits: isExpanded,
      pays: ({ N, K, P, Q, CG, R, S, GROUPED }) =>
        K / GROUPED >= 4 && N * K * P * Q * CG * R * S >= smallConv,
      groups: ({ N, K, P, Q, GROUPED }) =>
        GROUPED * groupsFor(K / GROUPED, 16) * groupsFor(N * P * Q, 128),
    },
    { name: 'direct', code: direct, groups: ({ N, K, P, Q }) => groupsFor(N * K * P * Q, 64) },
  ],
});
