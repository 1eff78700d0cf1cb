import tree from '../../shaders/mask/keeps-class.wgsl';
import { ShapeError } from '../errors.js';
import { kernel } from './kernel.js';
import { rowVariants } from './rows.js';

export interface KeepsClassOptions {
  /** Row of the gates to write, and how many they have. */
  readonly row: number;
  readonly rows: number;
}

/**
 * Whether each row's largest logit is that of the chosen class: 1 or 0. y [N,C] logits, choice [N,C] (above 0 at the chosen class, else 0) ->
 * gates [rows,N], of which one row is written (record with `into`).
 *
 * Of equal logits the first is the largest. A row with a NaN gives 0.
 */
export const keepsClass = kernel({
  name: 'keepsClass',
  reads: { y: 'N C', choice: 'N C' },
  results: { gates: 'T N' },
  derive: (_sizes, { row, rows }: KeepsClassOptions) => {
    if (![row, rows].every(Number.isInteger) || row < 0 || row >= rows) {
      throw new ShapeError(
        `keepsClass: row ${row} should be a whole number within the ${rows} of gates`,
      );
    }
    return { T: rows, ROW: row };
  },
  flops: ({ N, C }) => N * C,
  variants: rowVariants(tree),
});
