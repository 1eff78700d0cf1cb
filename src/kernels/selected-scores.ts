import tree from '../../shaders/mask/selected-scores.wgsl';
import { ShapeError } from '../errors.js';
import { kernel, treeVariants } from './kernel.js';

export interface SelectedScoresOptions {
  /** Row of `choice` to hold against, and row of the result to fill. */
  readonly image: number;
  /** First element of that row to fill, and its length. */
  readonly first: number;
  readonly total: number;
}

/**
 * Products of the rows of y with one row of `choice`: what a batch of masked copies of one image scores. y [M,C], choice [N,C] ->
 * score [N,total], of which first .. first+M of row `image` are written (record with `into`).
 */
export const selectedScores = kernel({
  name: 'selectedScores',
  reads: { y: 'M C', choice: 'N C' },
  results: { score: 'N KT' },
  derive: ({ M, N }, { image, first, total }: SelectedScoresOptions) => {
    if (image < 0 || image >= N || first < 0 || first + M > total) {
      throw new ShapeError(
        `selectedScores: elements ${first} .. ${first + M} of row ${image} should lie within the ${total} of ${N}`,
      );
    }
    return { KT: total, IMAGE: image, FIRST: first };
  },
  flops: ({ M, C }) => 2 * M * C,
  variants: treeVariants(tree, ({ M }) => M),
});
