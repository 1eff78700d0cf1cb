import direct from '../../shaders/cam/place-windows.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel, type Sizes } from './kernel.js';
import { sidesOf } from './pool-shape.js';
import { alignment } from './resize-bilinear.js';

export interface PlaceWindowsOptions {
  /** A window's [height, width] in pixels of the maps. */
  readonly window: readonly [number, number];
  /** Pixels from one window to the next, [down, across]. */
  readonly stride: readonly [number, number];
  /** Windows below and beside each other, from the top left corner; all lie inside the map. */
  readonly rows: number;
  readonly columns: number;
}

/**
 * Adds the maps of an image's windows, resized to the windows, at their places to the whole image's map.
 *
 * maps [NJ,P,Q], weights [N,J], J = 1 + rows columns -> y [N,P,Q]. Map n J is of the whole image n, map n J + 1 + k of its window k, row by
 * row; it counts with weights[n, 1 + k]. weights[n, 0] is not read. Resizing is bilinear without antialiasing, corners not aligned.
 */
export const placeWindows = kernel({
  name: 'placeWindows',
  reads: { maps: 'NJ P Q', weights: 'N J' },
  results: { y: 'N P Q' },
  derive: (sizes, options: PlaceWindowsOptions) => {
    const [R, S] = sidesOf('placeWindows', 'window', options.window);
    const [SY, SX] = sidesOf('placeWindows', 'stride', options.stride);
    const [ROWS, COLUMNS] = checkGrid(sizes, [R, S], [SY, SX], options);
    const { P, Q } = sizes;
    alignment('placeWindows', { H: P, W: Q, P: R, Q: S }, {}); // for its check of the sides
    return { R, S, SY, SX, ROWS, COLUMNS };
  },
  flops: ({ N, R, S, ROWS, COLUMNS }) => 14 * N * ROWS * COLUMNS * R * S,
  variants: [{ name: 'direct', code: direct, groups: ({ N, P, Q }) => groupsFor(N * P * Q, 64) }],
});

/** Rows and columns of windows, once they agree with the maps and their weights. */
function checkGrid(
  { N, J, NJ, P, Q }: Sizes,
  [h, w]: readonly [number, number],
  [sy, sx]: readonly [number, number],
  { rows, columns }: PlaceWindowsOptions,
): readonly [number, number] {
  const fail = (why: string): never => {
    throw new ShapeError(`placeWindows: ${why}`);
  };
  for (const [name, count] of Object.entries({ rows, columns })) {
    if (!Number.isInteger(count) || count < 1) {
      fail(`${name} is ${count}, should be a whole number of at least 1`);
    }
  }
  if (J !== 1 + rows * columns) {
    fail(`weights has rows of ${J}, should be 1 + ${rows} x ${columns} windows`);
  }
  if (NJ !== N * J) fail(`there are ${NJ} maps, should be ${N} x ${J}`);
  const [height, width] = [(rows - 1) * sy + h, (columns - 1) * sx + w];
  if (height > P || width > Q) {
    fail(`the windows reach to ${height} x ${width}, should stay within maps of ${P} x ${Q}`);
  }
  return [rows, columns];
}
