import direct from '../../shaders/mask/mask-sum.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface MaskSumOptions {
  /** Whether y starts from 0; else the masks are added to what it holds (record with `into`). */
  readonly start: boolean;
  /** Whether a mask counts where it is 0: for masks that take away. */
  readonly complement?: boolean;
  /** 1 by default. */
  readonly scale?: number;
}

/**
 * Masks added up with the scores of the images they mask. masks [K,H,W] (the same for all images), scores [N,total], at [5] (see
 * {@link masksAt}: the number of the first of these masks) -> y [N,H,W], divided by over? [H,W] if that is given.
 */
export const maskSum = kernel({
  name: 'maskSum',
  reads: { masks: 'K H W', scores: 'N KT', at: '5', 'over?': 'H W' },
  results: { y: 'N H W' },
  dtypes: { at: 'u32' },
  derive: ({ K, KT }, { start, complement, scale = 1 }: MaskSumOptions) => {
    if (K > KT) throw new ShapeError(`maskSum: ${K} masks should be among the ${KT} scored`);
    return { START: start ? 1 : 0, COMPLEMENT: complement ? 1 : 0, SCALE: scale };
  },
  flops: ({ N, K, H, W }) => 2 * N * K * H * W,
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});
