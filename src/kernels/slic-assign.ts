import direct from '../../shaders/segment/slic-assign.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel, type Sizes } from './kernel.js';

/** The grid of cells, one a superpixel, from which SLIC starts. */
export interface SlicGrid {
  /** Rows of the grid, at most H. */
  readonly rows: number;
  /** Columns of the grid, at most W. */
  readonly columns: number;
}

export interface SlicAssignOptions extends SlicGrid {
  /** Weight of place against colour: that many units of Lab are as far as one cell's side. Above 0. */
  readonly compactness: number;
}

/**
 * SLIC's first half: the nearest centre of each pixel, among those of its own cell of the start grid and of the eight around it.
 *
 * lab [N,3,H,W], centres [N,S,5] (L, a, b, row, column) -> y [N,H,W] (u32), below S = rows x columns. Of equally near centres
 * the one of lower index.
 */
export const slicAssign = kernel({
  name: 'slicAssign',
  reads: { lab: 'N 3 H W', centres: 'N S 5' },
  results: { y: 'N H W' },
  dtypes: { y: 'u32', centres: 'f32' },
  derive: (sizes, { compactness, ...grid }: SlicAssignOptions) => {
    if (!(compactness > 0 && compactness < Number.POSITIVE_INFINITY)) {
      throw new ShapeError(`slicAssign: compactness is ${compactness}, should be above 0`);
    }
    const { S, ROWS, COLUMNS } = slicGrid('slicAssign', sizes, grid);
    // compactness / step squared, a cell being step x step pixels
    const SPACE = (compactness ** 2 * S) / (sizes.H * sizes.W);
    return { ROWS, COLUMNS, SPACE };
  },
  flops: ({ N, H, W }) => 9 * 15 * N * H * W,
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});

/** The constants of a start grid, checked against the image and, where there are some, the centres. */
export function slicGrid(kernelName: string, { H, W, S }: Sizes, { rows, columns }: SlicGrid) {
  for (const [name, count, most] of [
    ['rows', rows, H],
    ['columns', columns, W],
  ] as const) {
    if (!Number.isInteger(count) || count < 1 || count > most) {
      throw new ShapeError(
        `${kernelName}: ${name} is ${count}, should be a whole number from 1 to the image's ${most}`,
      );
    }
  }
  if (S !== undefined && S !== rows * columns) {
    throw new ShapeError(
      `${kernelName}: ${S} centres should be ${rows} x ${columns}, the grid they start from`,
    );
  }
  return { S: rows * columns, ROWS: rows, COLUMNS: columns };
}
