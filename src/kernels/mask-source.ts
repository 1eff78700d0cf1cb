import { ShapeError } from '../errors.js';
import type { Sizes } from './kernel.js';

/**
 * What masks are made from, as they are loaded:
 * - `maps`: `field` [F,h,w], enlarged bilinearly to the image's size (of that size already: taken as they are);
 * - `rise`: nothing but a seed: random grids (V. Petsiuk et al., "RISE", BMVC 2018);
 * - `switches`: `field` [F,1,S], a number for each of S segments, and `labels` [I H W], the segment that each pixel belongs to;
 * - `rectangles`: `field` [F,1,4] of top, left, bottom, right (exclusive), 0 inside and 1 outside.
 */
export type MaskKind = 'maps' | 'rise' | 'switches' | 'rectangles';

const codes: Readonly<Record<MaskKind, number>> = { maps: 0, rise: 1, switches: 2, rectangles: 3 };

/** How masks are made; which ones, `at` says: see {@link masksAt}. */
export interface MaskOptions {
  readonly source: MaskKind;
  /** How many of an image's masks. */
  readonly count: number;
  /** Whether `field` has rows for each image in turn; by default all images share them. */
  readonly perImage?: boolean;
  /** Images in the batch, which `field` is shared out to; 1 by default. */
  readonly images?: number;
  /** Cells along a side of RISE's grids; 7 by default. */
  readonly grid?: number;
}

/**
 * The constants of a shader that makes masks for images of H x W.
 *
 * @throws ShapeError if the masks asked for are not there.
 */
export function maskConstants(
  kernelName: string,
  { F, FH, FW, L, H, W }: Sizes,
  options: MaskOptions,
): Record<string, number> {
  const { source, count, perImage = false, images = 1, grid = 7 } = options;
  const wrong = (what: string): never => {
    throw new ShapeError(`${kernelName}: ${what}`);
  };
  const rows = perImage ? F / images : F;
  if (!Number.isInteger(count) || count < 1) {
    wrong(`count is ${count}, should be a whole number from 1 on`);
  }
  if (source === 'rise') {
    if (!Number.isInteger(grid) || grid < 1 || grid > 1024) {
      wrong(`grid is ${grid}, should be a whole number from 1 to 1024`);
    }
    if (Math.max(H, W) > 32_768) wrong(`[${H},${W}]: sides should be at most 32768`);
  } else {
    if (F === undefined) wrong(`field is missing: ${source} are made from it`);
    if (!Number.isInteger(rows) || count > rows) {
      wrong(`${count} masks of an image should be among the ${rows} of field`);
    }
    if (source !== 'maps' && FH !== 1) wrong(`field [${F},${FH},${FW}] should be [F,1,n]`);
    if (source === 'rectangles' && FW !== 4) wrong(`rectangles [F,1,${FW}] should be [F,1,4]`);
  }
  if (source === 'switches' && L !== images * H * W) {
    wrong(`labels [${L ?? 0}] should be [${images * H * W}], one for each pixel of each image`);
  }
  return {
    SOURCE: codes[source],
    ROWS: perImage ? rows : 0,
    FH: FH ?? 1,
    FW: FW ?? 1,
    GRID: grid,
    CP: Math.ceil(H / grid),
    CQ: Math.ceil(W / grid),
  };
}

/** What seeds RISE's masks. */
export interface RiseSeed {
  /** Its FNV-1a with `:grid` and `:shift` seeds the grids and the shifts. */
  readonly key: string;
  /** Probability that a cell is 1; 0.5 by default. */
  readonly p?: number;
}

/**
 * The `at` [5] of kernels that make masks: which image of the batch, its first mask, and RISE's seeds.
 *
 * @throws ShapeError unless 0 < p <= 1 and image and first are whole numbers from 0 on.
 */
export function masksAt(image: number, first: number, { key, p = 0.5 }: RiseSeed = noRise) {
  for (const [name, value] of Object.entries({ image, first })) {
    if (!Number.isInteger(value) || value < 0) {
      throw new ShapeError(`masksAt: ${name} is ${value}, should be a whole number from 0 on`);
    }
  }
  if (!(p > 0 && p <= 1)) {
    throw new ShapeError(`masksAt: p is ${p}, should be more than 0 and at most 1`);
  }
  // hash / 2^32 < p, for a whole hash
  const most = Math.ceil(p * 2 ** 32) - 1;
  return Uint32Array.of(image, first, seedOf(`${key}:grid`), seedOf(`${key}:shift`), most);
}

const noRise: RiseSeed = { key: '' };

/** FNV-1a of a name: what a counter-based generator starts from. */
export function seedOf(name: string): number {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  return seed >>> 0;
}
