import { ImageError, nearest } from '../errors.js';

/** A colour map: `greys` runs from black to white; `bwr` and `seismic` are for signed maps, white in the middle. */
export type ColormapName = 'jet' | 'turbo' | 'viridis' | 'greys' | 'bwr' | 'seismic';

type Colour = readonly [red: number, green: number, blue: number];

/**
 * Control values of a curve (Catmull-Rom) through 18 knots, 15 entries apart; the first and the last are
 * the neighbours that shape its ends, so they may leave 0 to 255. Fitted to matplotlib's tables, which
 * they follow within 2 levels of 255.
 */
const KNOT_STEP = 15;
const TURBO = [
  [27, 48, 63, 69, 68, 48, 24, 34, 81, 139, 182, 219, 244, 254, 248, 232, 206, 169, 123, 78],
  [-27, 18, 61, 102, 140, 177, 211, 235, 249, 254, 246, 226, 196, 161, 116, 75, 45, 21, 4, -4],
  [-54, 60, 156, 220, 253, 243, 206, 169, 121, 74, 52, 54, 58, 47, 28, 12, 4, 1, 2, 8],
] as const;
const VIRIDIS = [
  [67, 68, 72, 71, 67, 60, 53, 46, 40, 35, 30, 32, 46, 69, 100, 136, 175, 215, 253, 286],
  [-18, 1, 22, 42, 60, 77, 93, 108, 122, 137, 150, 165, 178, 191, 203, 213, 220, 226, 231, 243],
  [65, 84, 105, 121, 132, 138, 140, 142, 142, 141, 138, 133, 124, 111, 93, 72, 46, 25, 34, 56],
] as const;

/** The colour of entry `i` of 256, channels before rounding and clamping to 0..255. */
const COLOURS: Record<ColormapName, (i: number) => Colour> = {
  // OpenCV's COLORMAP_JET, which saliency tools draw with (one entry differs by 1 level). matplotlib's
  // `jet` has other knees and differs by up to 33.
  jet: (i) => [
    Math.min(4 * i - 382, 1148 - 4 * i),
    Math.min(4 * i - 128, 892 - 4 * i),
    Math.min(4 * i + 128, 638 - 4 * i),
  ],
  turbo: (i) => [spline(TURBO[0], i), spline(TURBO[1], i), spline(TURBO[2], i)],
  viridis: (i) => [spline(VIRIDIS[0], i), spline(VIRIDIS[1], i), spline(VIRIDIS[2], i)],
  greys: (i) => [i, i, i],
  bwr: (i) => [2 * i, Math.min(2 * i, 510 - 2 * i), 510 - 2 * i],
  // bwr with darker ends: blue from 0.3, red down to 0.5, knees at the quarters.
  seismic: (i) => [
    i < 191.25 ? 4 * i - 255 : 637.5 - 2 * i,
    Math.min(4 * i - 255, 765 - 4 * i),
    i < 63.75 ? 76.5 + 2.8 * i : 765 - 4 * i,
  ],
};

/** The names that `colormapTable` knows. */
export const colormapNames = Object.keys(COLOURS) as ColormapName[];

function spline(control: readonly number[], i: number): number {
  const k = Math.min(Math.floor(i / KNOT_STEP), control.length - 4);
  const t = i / KNOT_STEP - k;
  const [p0, p1, p2, p3] = control.slice(k, k + 4);
  const cubic = 3 * (p1 - p2) + p3 - p0;
  return p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * cubic));
}

const tables = new Map<string, Uint8Array>();

/**
 * The 256 colours of a map as RGBA bytes [256, 4], alpha 255; entry 0 is for the value 0, entry 255 for
 * the value 1. Computed once: treat it as read-only. Throws `ImageError` for a name it does not know.
 */
export function colormapTable(name: ColormapName): Uint8Array {
  let table = tables.get(name);
  if (!table) {
    if (!Object.hasOwn(COLOURS, name)) {
      throw new ImageError(
        `colormap: no colour map is called "${name}"; did you mean ${nearest(name, colormapNames).join(', ')}?`,
      );
    }
    const colour = COLOURS[name];
    const clamped = new Uint8ClampedArray(1024);
    for (let i = 0; i < 256; i++) clamped.set([...colour(i).map(Math.round), 255], 4 * i);
    table = new Uint8Array(clamped.buffer);
    tables.set(name, table);
  }
  return table;
}
