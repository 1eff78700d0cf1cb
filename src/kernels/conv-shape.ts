import { ShapeError } from '../errors.js';
import { groupsFor, type Sizes } from './kernel.js';

/** One number for both directions, or [vertical, horizontal]. */
export type Pair = number | readonly [number, number];

export const pair = (value: Pair): readonly [number, number] =>
  typeof value === 'number' ? [value, value] : value;

export interface ConvOptions {
  readonly stride?: Pair;
  readonly pad?: Pair;
  readonly dilation?: Pair;
  readonly groups?: number;
}

/** Length of a convolution's or pooling's output. */
export const outputLength = (
  input: number,
  filter: number,
  stride: number,
  pad: number,
  dilation = 1,
): number => Math.floor((input + 2 * pad - dilation * (filter - 1) - 1) / stride) + 1;

/**
 * Checks a convolution's geometry and names its constants: `P Q` output sizes, `SH SW` strides, `PH PW` padding, `DH DW`
 * dilation, `GROUPED` number of groups.
 */
export function convGeometry(
  kernelName: string,
  { C, K, CG, H, W, R, S }: Sizes,
  options: ConvOptions,
) {
  const [SH, SW] = pair(options.stride ?? 1);
  const [PH, PW] = pair(options.pad ?? 0);
  const [DH, DW] = pair(options.dilation ?? 1);
  const GROUPED = options.groups ?? 1;
  for (const [what, value, least] of [
    ['stride', SH, 1],
    ['stride', SW, 1],
    ['pad', PH, 0],
    ['pad', PW, 0],
    ['dilation', DH, 1],
    ['dilation', DW, 1],
    ['groups', GROUPED, 1],
  ] as const) {
    if (!Number.isInteger(value) || value < least) {
      throw new ShapeError(
        `${kernelName}: ${what} is ${value}, should be a whole number of at least ${least}`,
      );
    }
  }
  if (CG * GROUPED !== C || K % GROUPED !== 0) {
    throw new ShapeError(
      `${kernelName}: w has ${K} filters of ${CG} channels in ${GROUPED} groups, x has ${C} channels: filters should divide by groups, and channels be filter channels times groups`,
    );
  }
  const P = outputLength(H, R, SH, PH, DH);
  const Q = outputLength(W, S, SW, PW, DW);
  if (P < 1 || Q < 1) {
    throw new ShapeError(
      `${kernelName}: x is ${H} x ${W}, too small for a ${R} x ${S} filter with padding ${PH}, ${PW} and dilation ${DH}, ${DW}`,
    );
  }
  return { P, Q, SH, SW, PH, PW, DH, DW, GROUPED };
}

/** Which channels of a larger tensor a kernel reads or writes: all by default. */
export interface SliceOptions {
  /** First channel. */
  readonly k0?: number;
  /** Number of channels of the larger tensor. */
  readonly kTotal?: number;
}

/** Checks that channels k0 .. k0+K lie within kTotal and names them: `K0`, `KT`. */
export function channelSlice(
  kernelName: string,
  K: number,
  options: SliceOptions,
  tensor = 'y',
): { K0: number; KT: number } {
  const K0 = options.k0 ?? 0;
  const KT = options.kTotal ?? K;
  if (!Number.isInteger(K0) || K0 < 0 || K0 + K > KT) {
    throw new ShapeError(
      `${kernelName}: channels ${K0} .. ${K0 + K} should lie within the ${KT} of ${tensor}`,
    );
  }
  return { K0, KT };
}

/** Multiply-adds below which a convolution is quicker done than a large variant for it compiled, on a CPU. */
export const smallConv = 2 ** 20;

/** Multiply-adds from which compiling a variant with many unrolled lines (a third of a second of CPU) pays within a few dozen dispatches, on a CPU. */
export const largeConv = 2 ** 25;

/** Share of whole tiles that a length fills. */
export const filled = (size: number, tile: number): number =>
  size / (Math.ceil(size / tile) * tile);

/** Taps of a filter's row that are a multiple of the stride apart. */
export const tapsOf = ({ S, SW }: Sizes): number => Math.ceil(S / SW);

/** Whether three to six taps of a filter's row are a stride apart: what the `rows` variants are made for. */
export const isInRows = (sizes: Sizes): boolean =>
  sizes.DW === 1 && tapsOf(sizes) >= 3 && tapsOf(sizes) <= 6;

/** Whether a tile of 8 channels x 4 x 7 pixels pays: large enough a convolution, and at most 40 % of the tiles empty. */
export const rowsPay = ({ N, K, P, Q, CG, R, S, GROUPED }: Sizes): boolean =>
  N * K * P * Q * CG * R * S >= 8 * smallConv &&
  filled(K / GROUPED, 8) * filled(P, 4) * filled(Q, 7) >= 0.6;

/** Workgroups of the `rows` variants. */
export const rowsGroups = ({ N, K, P, Q, GROUPED }: Sizes): number =>
  groupsFor(GROUPED * groupsFor(K / GROUPED, 8) * N * groupsFor(P, 4) * groupsFor(Q, 7), 4);

/** Whether filters are 3 x 3 and move by single steps: what the `three` variants are made for. */
export const isThree = ({ R, S, SH, SW, DH, DW }: Sizes): boolean =>
  R === 3 && S === 3 && SH === 1 && SW === 1 && DH === 1 && DW === 1;

/** Whether a tile of 4 channels x 7 x 7 pixels pays: large enough a convolution, and at most 40 % of the tiles empty. */
export const threePays = ({ N, K, P, Q, CG, GROUPED }: Sizes): boolean =>
  N * K * P * Q * CG * 9 >= largeConv &&
  filled(K / GROUPED, 4) * filled(P, 7) * filled(Q, 7) >= 0.6;

/** Workgroups of the `three` variants. */
export const threeGroups = ({ N, K, P, Q, GROUPED }: Sizes): number =>
  groupsFor(GROUPED * groupsFor(K / GROUPED, 4) * N * groupsFor(P, 7) * groupsFor(Q, 7), 4);
