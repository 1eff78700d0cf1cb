import direct from '../../shaders/conv/conv2d-backward-weight.wgsl';
import tile from '../../shaders/conv/conv2d-backward-weight-tile.wgsl';
import { ShapeError } from '../errors.js';
import { type ConvOptions, channelSlice, convGeometry } from './conv-shape.js';
import { groupsFor, kernel, type Sizes } from './kernel.js';

export interface Conv2dBackwardWeightOptions extends ConvOptions {
  /** Height and width of the filters. */
  readonly filterSize: readonly [number, number];
  /** First channel of dy that belongs to w, and the number of channels; default all. */
  readonly k0?: number;
  readonly k?: number;
}

/** Tiles of 16 filters x 8 channels at a tap, an invocation each. */
const tiles = ({ K, CG, R, S, GROUPED }: Sizes): number =>
  GROUPED * groupsFor(K / GROUPED, 16) * groupsFor(CG, 8) * R * S;

/**
 * Gradient of {@link conv2d} with respect to its weight.
 *
 * x [N,C,H,W], dy [N,KT,P,Q] (channels k0 .. k0+k are used) -> dw [k,C/groups,R,S].
 */
export const conv2dBackwardWeight = kernel({
  name: 'conv2dBackwardWeight',
  reads: { x: 'N C H W', dy: 'N KT P Q' },
  results: { dw: 'K CG R S' },
  derive: (sizes, options: Conv2dBackwardWeightOptions) => {
    const { C, KT, P, Q } = sizes;
    const [R, S] = options.filterSize;
    const { k0 = 0, k: K = KT - k0 } = options;
    const weight = { K, CG: Math.floor(C / (options.groups ?? 1)), R, S };
    const geometry = convGeometry('conv2dBackwardWeight', { ...sizes, ...weight }, options);
    if (geometry.P !== P || geometry.Q !== Q) {
      throw new ShapeError(
        `conv2dBackwardWeight: dy is ${P} x ${Q}, should be ${geometry.P} x ${geometry.Q} for such an input and filter`,
      );
    }
    return {
      ...weight,
      ...geometry,
      ...channelSlice('conv2dBackwardWeight', K, { k0, kTotal: KT }, 'dy'),
    };
  },
  flops: ({ N, K, P, Q, CG, R, S }) => 2 * N * K * P * Q * CG * R * S,
  variants: [
    {
      name: 'tile',
      code: tile,
      // Of few tiles, each the sum over all pixels of all images, a GPU would take seconds.
      pays: (sizes, { kind }) => kind === 'software' || tiles(sizes) >= 16384,
      tuning: (_, { kind }) => ({ GX: kind === 'software' ? 16 : 64 }),
      groups: (sizes) => groupsFor(tiles(sizes), sizes.GX),
    },
    { name: 'direct', code: direct, groups: ({ K, CG, R, S }) => groupsFor(K * CG * R * S, 64) },
  ],
});
