import direct from '../../shaders/conv/conv2d-backward-input.wgsl';
import block from '../../shaders/conv/conv2d-backward-input-block.wgsl';
import deep from '../../shaders/conv/conv2d-backward-input-deep.wgsl';
import depthwise from '../../shaders/conv/conv2d-backward-input-depthwise.wgsl';
import phases from '../../shaders/conv/conv2d-backward-input-phases.wgsl';
import point from '../../shaders/conv/conv2d-backward-input-point.wgsl';
import three from '../../shaders/conv/conv2d-backward-input-three.wgsl';
import tile from '../../shaders/conv/conv2d-backward-input-tile.wgsl';
import wide from '../../shaders/conv/conv2d-backward-input-wide.wgsl';
import { ShapeError } from '../errors.js';
import {
  type ConvOptions,
  channelSlice,
  convGeometry,
  deepPays,
  isPoint,
  isThree,
  isWide,
  phaseShare,
  phaseTiles,
  pointGroups,
  pointPays,
  pointWidth,
  productTiles,
  smallConv,
  squares,
  threeGroups,
  threePays,
  turned,
  widePays,
} from './conv-shape.js';
import { groupsFor, kernel, type Sizes } from './kernel.js';

export interface Conv2dBackwardInputOptions extends ConvOptions {
  /** Height and width of the convolution's input: with a stride, several sizes have the same output. */
  readonly inputSize: readonly [number, number];
  /** First channel of dy that belongs to w: a concatenation's gradient is not copied. */
  readonly k0?: number;
  /** Add to what dx holds instead of overwriting it. */
  readonly accumulate?: boolean;
}

/** Distance between the filter taps that one pixel of the input meets. */
const tapSteps = ({ SH, SW, DH, DW }: Sizes) => ({
  RSTEP: SH / commonDivisor(SH, DH),
  SSTEP: SW / commonDivisor(SW, DW),
});

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

/**
 * Gradient of {@link conv2d} with respect to its input.
 *
 * dy [N,KT,P,Q] (channels k0 .. k0+K are used), w [K,C/groups,R,S] -> dx [N,C,H,W].
 */
export const conv2dBackwardInput = kernel({
  name: 'conv2dBackwardInput',
  reads: { dy: 'N KT P Q', w: 'K CG R S' },
  results: { dx: 'N C H W' },
  derive: (sizes, options: Conv2dBackwardInputOptions) => {
    const { K, KT, CG, P, Q } = sizes;
    const [H, W] = options.inputSize;
    const input = { C: CG * (options.groups ?? 1), H, W };
    const geometry = convGeometry('conv2dBackwardInput', { ...sizes, ...input }, options);
    if (geometry.P !== P || geometry.Q !== Q) {
      throw new ShapeError(
        `conv2dBackwardInput: dy is ${P} x ${Q}, should be ${geometry.P} x ${geometry.Q} for an input of ${H} x ${W}`,
      );
    }
    return {
      ...input,
      ...geometry,
      ...channelSlice('conv2dBackwardInput', K, { k0: options.k0, kTotal: KT }, 'dy'),
      ACCUMULATE: options.accumulate ? 1 : 0,
    };
  },
  flops: ({ N, K, P, Q, CG, R, S }) => 2 * N * K * P * Q * CG * R * S,
  variants: [
    {
      name: 'depthwise',
      code: depthwise,
      fits: ({ CG }) => CG === 1,
      // With more filters a channel the others share what they read of dy.
      pays: ({ K, GROUPED }) => K / GROUPED < 4,
      groups: ({ N, C, H, W }) => groupsFor(N * C * H * groupsFor(W, 8), 64),
    },
    {
      name: 'phases',
      code: phases,
      on: 'gpu',
      // Where it would do as much as the others it is not offered.
      fits: (sizes) => sizes.DH === 1 && sizes.DW === 1 && phaseShare(sizes) < 0.9,
      tuning: squares,
      groups: phaseTiles,
    },
    {
      name: 'deep',
      code: deep,
      on: 'gpu',
      pays: (sizes) => deepPays(turned(sizes)),
      groups: ({ N, H, W, CG, GROUPED }) => GROUPED * groupsFor(CG, 16) * groupsFor(N * H * W, 16),
    },
    {
      name: 'wide',
      code: wide,
      on: 'gpu',
      fits: (sizes) => isWide(turned(sizes)),
      pays: (sizes) => widePays(turned(sizes)),
      groups: (sizes) => productTiles(turned(sizes), 128),
    },
    {
      name: 'block',
      code: block,
      on: 'gpu',
      groups: (sizes) => productTiles(turned(sizes), 64),
    },
    {
      name: 'three',
      code: three,
      on: 'software',
      fits: isThree,
      pays: (sizes) => threePays(turned(sizes)),
      groups: (sizes) => threeGroups(turned(sizes)),
    },
    {
      name: 'point',
      code: point,
      on: 'software',
      needs: ({ features }) => features.has('subgroups'),
      fits: (sizes) => {
        const { K, K0, KT, CG, GROUPED } = sizes;
        return isPoint(sizes) && [K / GROUPED, K0, KT, CG].every((size) => size % 4 === 0);
      },
      pays: (sizes) => pointPays(turned(sizes)),
      tuning: (sizes) => pointWidth(turned(sizes)),
      groups: (sizes) => pointGroups(turned(sizes)),
    },
    {
      name: 'tile',
      code: tile,
      on: 'software',
      pays: ({ N, K, P, Q, CG, R, S }) => CG >= 3 && N * K * P * Q * CG * R * S >= smallConv,
      tuning: tapSteps,
      groups: ({ N, H, W, CG, GROUPED, SH, SW }) =>
        GROUPED *
        groupsFor(CG, 16) *
        SH *
        SW *
        groupsFor(N * Math.ceil(H / SH) * Math.ceil(W / SW), 128),
    },
    { name: 'direct', code: direct, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});
