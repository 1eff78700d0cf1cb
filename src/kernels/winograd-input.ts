import naive from '../../shaders/winograd/winograd-input.wgsl';
import four from '../../shaders/winograd/winograd-input-four.wgsl';
import { channelSlice } from './conv-shape.js';
import { groupsFor, kernel } from './kernel.js';
import {
  packs,
  paddedDepth,
  transformed,
  type WinogradTile,
  winogradGeometry,
  winogradPack,
} from './winograd-shape.js';

export interface WinogradInputOptions {
  readonly tile: WinogradTile;
  readonly pad?: number | readonly [number, number];
  /** Tiles to make, from the `at[0]`th on; of all images together, row by row. */
  readonly tiles: number;
  /** First channel of x to take, and how many; default all. */
  readonly c0?: number;
  readonly channels?: number;
}

/**
 * Overlapping tiles of an input as Winograd's F(m x m, 3 x 3) multiplies them (Lavin and Gray 2016): BT d B of each.
 *
 * x [N,CT,H,W], at [1] the first tile -> v [(m+2)^2, tiles/16, C, 16], tiles and C rounded up to whole packs.
 */
export const winogradInput = kernel({
  name: 'winogradInput',
  reads: { x: 'N CT H W', at: '1' },
  results: { v: 'A TB CP 16' },
  dtypes: { at: 'u32' },
  derive: ({ CT, H, W }, options: WinogradInputOptions) => {
    const C = options.channels ?? CT - (options.c0 ?? 0);
    const { K0: C0 } = channelSlice('winogradInput', C, { k0: options.c0, kTotal: CT }, 'x');
    return {
      ...winogradGeometry('winogradInput', [H, W], options.tile, options.pad),
      ...{ A: (options.tile + 2) ** 2, TB: packs(options.tiles), C, C0, CP: paddedDepth(C) },
    };
  },
  flops: ({ M, TB, CP }) => transformed(M, TB * winogradPack * CP),
  variants: [
    {
      name: 'four',
      code: four,
      fits: ({ M }) => M === 4,
      tuning: (_, { kind }) => ({ GX: kind === 'software' ? 16 : 64 }),
      groups: ({ TB, CP, GX }) => groupsFor(TB * CP * 4, GX),
    },
    { name: 'naive', code: naive, groups: ({ A, TB, CP }) => groupsFor(A * TB * CP * 16, 64) },
  ],
});
