import { ShapeError } from '../errors.js';
import type { Caps } from '../gpu/caps.js';
import { type ConvOptions, filled, pair } from './conv-shape.js';
import type { Sizes } from './kernel.js';

/** Side of the squares of pixels that Winograd's F(m x m, 3 x 3) makes at once. */
export type WinogradTile = 2 | 4;

/** Channels and tiles come in packs of so many, that neither the product nor its loads have edges. */
export const winogradPack = 16;

/** Input channels are padded to a multiple of this. */
const winogradDepth = 4;

export const packs = (count: number): number => Math.ceil(count / winogradPack);

export const paddedDepth = (channels: number): number =>
  Math.ceil(channels / winogradDepth) * winogradDepth;

/** Where the tiles of a 3 x 3 convolution of stride 1 lie: output sizes `P Q`, tiles a column `DOWN` and a row `ACROSS`, padding `PH PW`. */
export function winogradGeometry(
  kernelName: string,
  [H, W]: readonly [number, number],
  tile: WinogradTile,
  pad: ConvOptions['pad'] = 0,
) {
  const [PH, PW] = pair(pad);
  const [P, Q] = [H + 2 * PH - 2, W + 2 * PW - 2];
  if (tile !== 2 && tile !== 4) {
    throw new ShapeError(`${kernelName}: tile is ${tile}, should be 2 or 4`);
  }
  if (P < 1 || Q < 1) {
    throw new ShapeError(
      `${kernelName}: the input is ${H} x ${W}, too small for a 3 x 3 filter with padding ${PH}, ${PW}`,
    );
  }
  return { P, Q, PH, PW, DOWN: Math.ceil(P / tile), ACROSS: Math.ceil(Q / tile), M: tile };
}

/** Multiply-adds of the product for `tiles` tiles. */
export const winogradProducts = ({ A, CP, KB, TB }: Sizes): number =>
  A * CP * KB * winogradPack * TB * winogradPack;

/** Additions and multiplications of BT d B for so many tiles. */
export const transformed = (m: number, tiles: number): number =>
  tiles * (m === 4 ? 12 * 19 : 8 * 4);

/** Additions and multiplications of AT m A for so many tiles. */
export const transformedBack = (m: number, tiles: number): number =>
  tiles * (m === 4 ? 10 * 13 : 6 * 4);

/** Multiply-adds of a direct convolution of one image below which the sums around the product cost more than it saves, on a CPU. */
const worthwhile = 2 ** 23;

/** Channels and filters below which tiles are never worth their padding. */
const leastChannels = 8;

/**
 * Whether Winograd's tiles can compute a convolution and might pay: filters of 3 x 3 in one group, without stride or dilation, that are no
 * further from the input than they reach.
 *
 * @param x [N,C,H,W]
 * @param w [K,C/groups,R,S]
 */
export function isForWinograd(
  [, C, H, W]: readonly number[],
  [K, CG, R, S]: readonly number[],
  options: ConvOptions,
): boolean {
  const isOne = (step: ConvOptions['stride']) => pair(step ?? 1).every((s) => s === 1);
  const [PH, PW] = pair(options.pad ?? 0);
  return (
    [R === 3, S === 3, CG === C, options.groups === undefined || options.groups === 1].every(
      Boolean,
    ) &&
    isOne(options.stride) &&
    isOne(options.dilation) &&
    [PH, PW, H + 2 * PH - 3, W + 2 * PW - 3].every((size) => size >= 0) &&
    Math.min(K, C) >= leastChannels
  );
}

/** Filters and tiles a workgroup takes where a GPU does all in one dispatch. */
export const fusedBlock = 2 * winogradPack;

/**
 * Whether one dispatch of F(2 x 2, 3 x 3) pays on a GPU. Not measured: it multiplies 4/9 as often as a direct convolution and reads about as much for a
 * multiplication. So it is taken where channels are enough to make up for what surrounds the products, blocks of 32 filters x 32 tiles are four fifths
 * full, and not so few that half of the 128 cores of a large GPU had none: there are as many of them as of the direct variant's tiles, with twice the invocations.
 */
function fusedPays(C: number, K: number, P: number, Q: number): boolean {
  const tiles = Math.ceil(P / 2) * Math.ceil(Q / 2);
  const isFull =
    filled(K, fusedBlock) * filled(tiles, fusedBlock) * filled(P, 2) * filled(Q, 2) >= 0.8;
  const blocks = Math.ceil(K / fusedBlock) * Math.ceil(tiles / fusedBlock);
  return isFull && C >= 32 && blocks >= 64;
}

/**
 * Whether a convolution is best done by Winograd's F(m x m, 3 x 3), and m; undefined if directly.
 *
 * It does not depend on the number of images: what comes out does not change with the batch. Whether a device can bind the filters is asked elsewhere.
 *
 * @param x [N,C,H,W]
 * @param w [K,C/groups,R,S]
 */
export function winogradTileFor(
  caps: Caps,
  x: readonly number[],
  w: readonly number[],
  options: ConvOptions,
): WinogradTile | undefined {
  if (!isForWinograd(x, w, options)) return undefined;
  const [, C, H, W] = x;
  const [K] = w;
  const [PH, PW] = pair(options.pad ?? 0);
  const [P, Q] = [H + 2 * PH - 2, W + 2 * PW - 2];
  if (caps.kind === 'gpu') return fusedPays(C, K, P, Q) ? 2 : undefined;
  const isFull = filled(K, winogradPack) * filled(P, 4) * filled(Q, 4) >= 0.6;
  return isFull && C >= 16 && K * C * 9 * P * Q >= worthwhile ? 4 : undefined;
}
