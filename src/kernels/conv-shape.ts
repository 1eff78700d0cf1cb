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

/**
 * Sizes of what a convolution writes: `OP OQ`, which with 2 x 2 pooling (`POOL`) are half of `P Q`; a last odd row or column is then not computed.
 *
 * @throws ShapeError where not one window fits.
 */
export function pooledSize(
  kernelName: string,
  { P, Q }: Readonly<Record<'P' | 'Q', number>>,
  pool = false,
): Record<'P' | 'Q' | 'OP' | 'OQ' | 'POOL', number> {
  if (!pool) return { P, Q, OP: P, OQ: Q, POOL: 0 };
  if (P < 2 || Q < 2) {
    throw new ShapeError(
      `${kernelName}: pooling of ${P} x ${Q} outputs should have at least 2 x 2`,
    );
  }
  const [OP, OQ] = [Math.floor(P / 2), Math.floor(Q / 2)];
  return { P: 2 * OP, Q: 2 * OQ, OP, OQ, POOL: 1 };
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
export const rowsGroups = ({ N, K, P, Q, GROUPED, LANES }: Sizes): number =>
  groupsFor(GROUPED * groupsFor(K / GROUPED, 8) * N * groupsFor(P, 4) * groupsFor(Q, 7), LANES);

/** Whether filters are 3 x 3 and move by single steps: what the `three` variants are made for. */
export const isThree = ({ R, S, SH, SW, DH, DW }: Sizes): boolean =>
  R === 3 && S === 3 && SH === 1 && SW === 1 && DH === 1 && DW === 1;

/** Whether a tile of 4 channels x 7 x 7 pixels pays: large enough a convolution, and at most 40 % of the tiles empty. */
export const threePays = ({ N, K, P, Q, CG, GROUPED }: Sizes): boolean =>
  N * K * P * Q * CG * 9 >= largeConv &&
  filled(K / GROUPED, 4) * filled(P, 7) * filled(Q, 7) >= 0.6;

/** Workgroups of the `three` variants. */
export const threeGroups = ({ N, K, P, Q, GROUPED, LANES }: Sizes): number =>
  groupsFor(GROUPED * groupsFor(K / GROUPED, 4) * N * groupsFor(P, 7) * groupsFor(Q, 7), LANES);

/** Whether filters are one pixel that moves by single steps over no padding: a matrix product, what the `point` variants are made for. */
export const isPoint = ({ R, S, SH, SW, PH, PW }: Sizes): boolean =>
  R === 1 && S === 1 && SH === 1 && SW === 1 && PH === 0 && PW === 0;

const pointTiles = ({ K, P, Q, GROUPED }: Sizes, wide: number) =>
  filled(K / GROUPED, wide ? 16 : 32) * filled(P * Q, wide ? 64 : 32);

/** Tuning of the `point` variants for software adapters: few filters are better off with 16 x 64 a quad, which loads a little more. */
export const pointWidth = (sizes: Sizes) => ({
  WIDE: pointTiles(sizes, 1) * 0.85 > pointTiles(sizes, 0) ? 1 : 0,
});

/** Whether they pay: large enough a convolution for half a second of compiling, and at most 40 % of the tiles empty. */
export const pointPays = (sizes: Sizes): boolean => {
  const { N, K, P, Q, CG } = sizes;
  return N * K * P * Q * CG >= 8 * smallConv && pointTiles(sizes, pointWidth(sizes).WIDE) >= 0.6;
};

/** Workgroups of them. */
export const pointGroups = (sizes: Sizes): number => {
  const { N, K, P, Q, GROUPED, LANES } = sizes;
  const [high, across] = pointWidth(sizes).WIDE ? [16, 64] : [32, 32];
  return GROUPED * groupsFor(K / GROUPED, high) * N * groupsFor(P * Q, (across * LANES) / 4);
};

/** Tiles of some filters x 64 pixels: workgroups of the matrix products for GPUs. */
export const productTiles = ({ N, K, P, Q, GROUPED }: Sizes, filters: number): number =>
  GROUPED * groupsFor(K / GROUPED, filters) * groupsFor(N * P * Q, 64);

/** Whether the taps of a filter come in whole vec4s. */
export const hasFours = ({ CG, R, S }: Sizes): boolean => (CG * R * S) % 4 === 0;

/** Whether a group has more filters than half of the 128 that the `wide` variants take at once. */
export const isWide = ({ K, GROUPED }: Sizes): boolean => K / GROUPED > 64;

/**
 * Whether tiles of 128 filters x 64 pixels pay on a GPU. Not measured: they halve what is read of x, but want four tiles each for the 128 cores of a
 * large GPU, and filters that fill nine tenths of them.
 */
export const widePays = (sizes: Sizes): boolean =>
  filled(sizes.K / sizes.GROUPED, 128) >= 0.9 && productTiles(sizes, 128) >= 512;

/**
 * Whether tiles of 16 filters x 16 pixels pay on a GPU, whose invocations share out the taps. Not measured: where tiles of 64 x 64 leave half of
 * the 128 cores of a large GPU without one, and there are taps to share: eight slices of 64 and more.
 */
export const deepPays = (sizes: Sizes): boolean =>
  productTiles(sizes, 64) < 64 && sizes.CG * sizes.R * sizes.S >= 512;

/**
 * Whether tiles of 64 filters x 64 pixels that a GPU's subgroups multiply as matrices pay. Not measured: where filters and taps fill three quarters of what
 * is multiplied; where taps are four slices of 16 and more, as sums leave by way of workgroup memory, which takes about as long as two; and
 * where there are so many tiles that {@link deepPays} does not want smaller ones.
 */
export const matrixPays = (sizes: Sizes): boolean => {
  const { K, CG, R, S, GROUPED } = sizes;
  const taps = CG * R * S;
  return taps >= 64 && filled(K / GROUPED, 64) * filled(taps, 16) >= 0.75 && !deepPays(sizes);
};

/** Bytes of workgroup memory that WebGPU promises. */
const promised = 16384;

/** Pixels down a tile of the `patch` variants, for so many filters. */
const patchRows = (filters: number): number => 256 / filters;

/** Filters and rows of a filter that a workgroup of a `patch` variant takes at once. */
type PatchTuning = Readonly<Record<'FILTERS' | 'BAND', number>>;

/**
 * Tuning of the `patch` variants: of 64, 32 or 16 filters whichever leaves least of its tiles empty.
 *
 * @param planes numbers kept in workgroup memory for each pixel of the patch
 * @returns undefined where a patch does not fit, or where channels are many: another product loads less then.
 */
export function patchTuning(sizes: Sizes, planes: number): PatchTuning | undefined {
  const { K, C, P, R, S, SH, SW, DH, DW, GROUPED } = sizes;
  if (GROUPED !== 1 || C > 4) return undefined;
  // Nine taps of a 3 x 3 filter, one row of an 11 x 11 one.
  const BAND = Math.max(1, Math.min(R, Math.floor(16 / S)));
  const wide = 15 * SW + (S - 1) * DW + 1;
  const bytes = (filters: number) => {
    const high = (patchRows(filters) - 1) * SH + (R - 1) * DH + 1;
    // Each variable counts in whole 16 bytes.
    return 16 * (planes * Math.ceil((high * wide) / 4) + BAND * S * (filters / 4 + 1));
  };
  const share = (filters: number) => filled(K, filters) * filled(P, patchRows(filters));
  const [best] = [64, 32, 16]
    .filter((filters) => bytes(filters) <= promised)
    .sort((a, b) => share(b) - share(a));
  return best === undefined ? undefined : { FILTERS: best, BAND };
}

/**
 * Whether they pay: filters overlap, so that a pixel that is loaded once serves several, and the tiles are not much emptier than the 64 x 64 of the other
 * products. Reasoned, not measured.
 */
export const patchPays = (sizes: Sizes, planes: number): boolean => {
  const { K, P, Q, R, S, SH, SW } = sizes;
  const tuning = patchTuning(sizes, planes);
  if (!tuning || (R <= SH && S <= SW)) return false;
  const { FILTERS } = tuning;
  return filled(K, FILTERS) * filled(P, patchRows(FILTERS)) * filled(Q, 16) >= 0.6 * filled(K, 64);
};

/** Workgroups of them. */
export const patchGroups = ({ N, K, P, Q, FILTERS }: Sizes): number =>
  N * groupsFor(K, FILTERS) * groupsFor(P, patchRows(FILTERS)) * groupsFor(Q, 16);

/** The sizes of a stride-1 gradient as those of a convolution: dy is read, dx written. */
export const turned = (sizes: Sizes): Sizes => {
  const { K, CG, GROUPED, H, W } = sizes;
  return { ...sizes, K: CG * GROUPED, CG: K / GROUPED, P: H, Q: W };
};

/** Outputs of its own a square of the `phases` gradient has down and across (`MH MW`), and squares down and across an image (`AH AW`). */
export const squares = ({ CG, H, W, SH, SW, PH, PW }: Sizes) => {
  // As many as 64 rows hold: channels times phases.
  const M = Math.max(1, Math.floor(Math.sqrt(64 / (CG * SH * SW))));
  const count = (size: number, pad: number, side: number) =>
    Math.floor((size - 1 + pad) / side) - Math.floor(pad / side) + 1;
  return { MH: M, MW: M, AH: count(H, PH, SH * M), AW: count(W, PW, SW * M) };
};

/** Tiles of 64 rows x 64 squares of that gradient. */
export const phaseTiles = (sizes: Sizes): number => {
  const { N, CG, GROUPED, SH, SW } = sizes;
  const { MH, MW, AH, AW } = squares(sizes);
  return GROUPED * groupsFor(CG * SH * MH * SW * MW, 64) * groupsFor(N * AH * AW, 64);
};

/** Multiply-adds of its tiles over those of the tiles of 64 channels x 64 pixels that go through all taps. */
export const phaseShare = (sizes: Sizes): number => {
  const { R, S, SH, SW } = sizes;
  const { MH, MW } = squares(sizes);
  const met = (MH + Math.floor((R - 1) / SH)) * (MW + Math.floor((S - 1) / SW));
  return (phaseTiles(sizes) * met) / (productTiles(turned(sizes), 64) * R * S);
};
