import tree from '../../shaders/mask/selected-scores.wgsl';
import { ShapeError } from '../errors.js';
import { kernel, treeVariants } from './kernel.js';

/**
 * Products of the rows of y with one row of `choice`: what a batch of masked copies of one image scores. y [M,C], choice [N,C], at [5] (the
 * image, and the number of its first mask: see {@link masksAt}) -> score [N,total], of which first .. first+M of the image's row are written
 * (record with `into`).
 */
export const selectedScores = kernel({
  name: 'selectedScores',
  reads: { y: 'M C', choice: 'N C', at: '5' },
  results: { score: 'N KT' },
  dtypes: { at: 'u32' },
  derive: ({ M }, { total }: { /** Scores of an image. */ readonly total: number }) => {
    if (!Number.isInteger(total) || total < M) {
      throw new ShapeError(`selectedScores: ${M} scores should be among the ${total} of an image`);
    }
    return { KT: total };
  },
  flops: ({ M, C }) => 2 * M * C,
  variants: treeVariants(tree, ({ M }) => M),
});
