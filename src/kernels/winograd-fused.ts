import naive from '../../shaders/winograd/winograd-fused.wgsl';
import block from '../../shaders/winograd/winograd-fused-block.wgsl';
import { ShapeError } from '../errors.js';
import { channelSlice, pooledSize, type SliceOptions } from './conv-shape.js';
import { type Activation, activationCode, groupsFor, kernel } from './kernel.js';
import {
  fusedBlock,
  packs,
  paddedDepth,
  transformed,
  transformedBack,
  winogradGeometry,
} from './winograd-shape.js';

export interface WinogradFusedOptions extends SliceOptions {
  /** Number of filters that u holds. */
  readonly filters: number;
  readonly pad?: number | readonly [number, number];
  /** Applied to each output element. */
  readonly act?: Activation;
  /** Write the largest of each 2 x 2 pixels only: max pooling of size and stride 2. */
  readonly pool?: boolean;
}

/** Filters, and tiles of all images, in whole blocks. */
const blocks = ({ N, K, DOWN, ACROSS }: Readonly<Record<string, number>>) => ({
  high: groupsFor(K, fusedBlock),
  wide: groupsFor(N * DOWN * ACROSS, fusedBlock),
});

/**
 * A convolution with 3 x 3 filters and stride 1 by F(2 x 2, 3 x 3) in one dispatch (Lavin and Gray 2016): 16 multiplications for 36. Its relative L2 error is below 2e-6.
 *
 * x [N,C,H,W], u {@link winogradFilters} for tiles of 2, b? [K] -> y [N,kTotal,OP,OQ], of which channels k0 .. k0+K are written; [OP,OQ] is [P,Q], or half of it with `pool`.
 */
export const winogradFused = kernel({
  name: 'winogradFused',
  reads: { x: 'N C H W', u: '16 KB CP 16', 'b?': 'K' },
  results: { y: 'N KT OP OQ' },
  derive: (sizes, options: WinogradFusedOptions) => {
    const { C, KB, CP, H, W } = sizes;
    const { filters: K, pool } = options;
    if (packs(K) !== KB || paddedDepth(C) !== CP || (sizes.K ?? K) !== K) {
      throw new ShapeError(
        `winogradFused: u has ${KB} packs of filters of ${CP} channels, should have ${packs(K)} of ${paddedDepth(C)} for ${K} filters and ${C} channels; b, if given, should have ${K} elements`,
      );
    }
    const geometry = winogradGeometry('winogradFused', [H, W], 2, options.pad);
    const pooled = pooledSize('winogradFused', geometry, pool);
    const { P, Q } = pooled;
    return {
      ...geometry,
      ...pooled,
      ...{ K, DOWN: Math.ceil(P / 2), ACROSS: Math.ceil(Q / 2) },
      ...channelSlice('winogradFused', K, options),
      ACT: activationCode(options.act),
    };
  },
  // Whole blocks: the products, and tiles transformed anew for each 32 filters.
  flops: (sizes) => {
    const { high, wide } = blocks(sizes);
    const tiles = wide * fusedBlock;
    const products = 2 * 16 * sizes.CP * high * fusedBlock * tiles;
    return products + transformed(2, tiles * sizes.CP * high) + transformedBack(2, tiles * sizes.K);
  },
  variants: [
    {
      name: 'block',
      code: block,
      on: 'gpu',
      groups: (sizes) => blocks(sizes).high * blocks(sizes).wide,
    },
    {
      name: 'naive',
      code: naive,
      groups: ({ N, K, DOWN, ACROSS }) => groupsFor(K * N * DOWN * ACROSS, 64),
    },
  ],
});
