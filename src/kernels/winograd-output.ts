import naive from '../../shaders/winograd/winograd-output.wgsl';
import four from '../../shaders/winograd/winograd-output-four.wgsl';
import { ShapeError } from '../errors.js';
import { channelSlice, type SliceOptions } from './conv-shape.js';
import { type Activation, activationCode, groupsFor, kernel } from './kernel.js';
import { packs, transformedBack, type WinogradTile, winogradPack } from './winograd-shape.js';

export interface WinogradOutputOptions extends SliceOptions {
  readonly tile: WinogradTile;
  /** Images, filters, height and width of what the convolution makes. */
  readonly images: number;
  readonly filters: number;
  readonly outputSize: readonly [number, number];
  /** Applied to each output element. */
  readonly act?: Activation;
  /** Add to what y holds instead of overwriting it. */
  readonly accumulate?: boolean;
}

/**
 * The pixels of Winograd's convolution from its sums (Lavin and Gray 2016): AT m A of each tile, bias and activation.
 *
 * m [(m+2)^2,K/16,tiles/16,16,16], b? [K], at [1] the first tile -> y [N,kTotal,P,Q], of which channels k0 .. k0+K of these tiles are written.
 */
export const winogradOutput = kernel({
  name: 'winogradOutput',
  reads: { m: 'A KB TB 16 16', 'b?': 'K', at: '1' },
  results: { y: 'N KT P Q' },
  dtypes: { at: 'u32' },
  derive: ({ KB }, options: WinogradOutputOptions) => {
    const { tile, images: N, filters: K } = options;
    const [P, Q] = options.outputSize;
    if (packs(K) !== KB) {
      throw new ShapeError(
        `winogradOutput: m has ${KB} packs of filters, should have ${packs(K)} for ${K} filters`,
      );
    }
    return {
      ...{ N, K, P, Q, M: tile, DOWN: Math.ceil(P / tile), ACROSS: Math.ceil(Q / tile) },
      ...channelSlice('winogradOutput', K, options),
      ACT: activationCode(options.act),
      ACCUMULATE: options.accumulate ? 1 : 0,
    };
  },
  flops: ({ M, TB, K }) => transformedBack(M, TB * winogradPack * K),
  variants: [
    {
      name: 'four',
      code: four,
      fits: ({ M }) => M === 4,
      tuning: (_, { kind }) => ({ GX: kind === 'software' ? 16 : 64 }),
      groups: ({ TB, K, GX }) => groupsFor(TB * 4 * K, GX),
    },
    {
      name: 'naive',
      code: naive,
      groups: ({ TB, K, M }) => groupsFor(K * TB * 16 * M * M, 64),
    },
  ],
});
