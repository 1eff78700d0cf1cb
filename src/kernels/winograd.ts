/** Convolutions with 3 x 3 filters by Winograd's minimal filtering: fewer multiplications, sums and differences instead. */
import { ShapeError } from '../errors.js';
import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import type { SliceOptions } from './conv-shape.js';
import type { Activation } from './kernel.js';
import { maxPool2dValues } from './max-pool2d-values.js';
import { winogradFused } from './winograd-fused.js';
import { winogradInput } from './winograd-input.js';
import { winogradOutput } from './winograd-output.js';
import { winogradProduct } from './winograd-product.js';
import {
  packs,
  paddedDepth,
  type WinogradTile,
  winogradGeometry,
  winogradPack,
} from './winograd-shape.js';

/** G of F(m x m, 3 x 3), rows of three. */
const filterTransforms: Readonly<Record<WinogradTile, readonly (readonly number[])[]>> = {
  2: [
    [1, 0, 0],
    [1 / 2, 1 / 2, 1 / 2],
    [1 / 2, -1 / 2, 1 / 2],
    [0, 0, 1],
  ],
  4: [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
  ],
};

/** Shape of K transformed filters of C channels. */
export const winogradFilterShape = (K: number, C: number, tile: WinogradTile): number[] => [
  (tile + 2) ** 2,
  packs(K),
  paddedDepth(C),
  winogradPack,
];

/**
 * Filters as {@link winogradProduct} reads them: G g GT of each, in float64, packed.
 *
 * @param w [K,C,3,3]
 * @param turned for the gradient with respect to the input: filters turned by 180 degrees, channels and filters exchanged
 * @returns of shape {@link winogradFilterShape}(K, C), or (C, K) if turned
 */
export function winogradFilters(
  w: Float32Array,
  [K, C]: readonly [number, number],
  tile: WinogradTile,
  turned = false,
): Float32Array {
  const G = filterTransforms[tile];
  const side = G.length;
  const [filters, channels] = turned ? [C, K] : [K, C];
  const CP = paddedDepth(channels);
  const KB = packs(filters);
  const u = new Float32Array(side * side * KB * CP * winogradPack);
  const half = new Float64Array(side * 3);
  for (let k = 0; k < filters; k++) {
    for (let c = 0; c < channels; c++) {
      const g = (turned ? c * C + k : k * C + c) * 9;
      for (let i = 0; i < side; i++) {
        const row = G[i];
        for (let s = 0; s < 3; s++) {
          half[i * 3 + s] = turned
            ? row[0] * w[g + 8 - s] + row[1] * w[g + 5 - s] + row[2] * w[g + 2 - s]
            : row[0] * w[g + s] + row[1] * w[g + 3 + s] + row[2] * w[g + 6 + s];
        }
      }
      const pack = Math.floor(k / winogradPack);
      for (let i = 0; i < side; i++) {
        for (let j = 0; j < side; j++) {
          const row = G[j];
          const at = (((i * side + j) * KB + pack) * CP + c) * winogradPack + (k % winogradPack);
          u[at] = half[i * 3] * row[0] + half[i * 3 + 1] * row[1] + half[i * 3 + 2] * row[2];
        }
      }
    }
  }
  return u;
}

export interface WinogradOptions extends SliceOptions {
  readonly tile: WinogradTile;
  /** Number of filters that u holds. */
  readonly filters: number;
  readonly pad?: number | readonly [number, number];
  readonly act?: Activation;
  /** Whether it is one dispatch ({@link winogradFused}; tiles of 2 only) instead of three a group of tiles; default for such tiles on a GPU. */
  readonly fused?: boolean;
  /** Give the largest of each 2 x 2 pixels only: in the one dispatch, or in another behind the three. */
  readonly pool?: boolean;
}

/** Bytes of transformed tiles and sums at a time: they stay in a CPU's cache, and are little beside a network's own tensors. */
const workBytes = 2 * 2 ** 20;

/**
 * Records a convolution with 3 x 3 filters and stride 1: in one dispatch, or in groups of tiles, three dispatches each.
 *
 * The sums of a pixel do not depend on the batch.
 *
 * x [N,C,H,W], u {@link winogradFilters}, b? [K] -> y [N,kTotal,P,Q], or half of P and Q with `pool`, of which channels k0 .. k0+K are written.
 */
export function winogradConv2d(
  recorder: Recorder,
  { x, u, b }: { x: Value; u: Value | Tensor; b?: Value | Tensor | undefined },
  options: WinogradOptions,
  into?: Value,
): Value {
  const [N, , H, W] = x.shape;
  const { tile, filters, pad, k0, kTotal, act, pool } = options;
  const { fused = tile === 2 && recorder.caps.kind === 'gpu' } = options;
  if (fused && tile === 2) {
    const one = { filters, pad, k0, kTotal, act, pool };
    return recorder.k(winogradFused, { x, u, b }, one, { into });
  }
  if (fused || (pool && (into || kTotal !== undefined))) {
    throw new ShapeError(
      `winogradConv2d: tile is ${tile}, fused ${fused}: one dispatch is for tiles of 2, and what is pooled behind three is no part of another tensor`,
    );
  }
  const { P, Q, DOWN, ACROSS } = winogradGeometry('winogradConv2d', [H, W], tile, pad);
  const [A, KB, CP] = u.shape;
  const total = packs(N * DOWN * ACROSS);
  const bytesPerPack = 4 * A * winogradPack * (CP + KB * winogradPack);
  const runs = Math.ceil(total / Math.max(1, Math.floor(workBytes / bytesPerPack)));
  const tiles = Math.ceil(total / runs) * winogradPack;
  let y = into;
  for (let first = 0; first < N * DOWN * ACROSS; first += tiles) {
    const at = recorder.constant(Uint32Array.of(first));
    const v = recorder.k(winogradInput, { x, at }, { tile, pad, tiles });
    const m = recorder.k(winogradProduct, { u, v });
    const size = { images: N, filters, outputSize: [P, Q] as const };
    y = recorder.k(winogradOutput, { m, b, at }, { tile, ...size, k0, kTotal, act }, { into: y });
  }
  return pool ? recorder.k(maxPool2dValues, { x: y! }, { size: 2 }) : y!;
}
