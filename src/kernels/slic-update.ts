import tree from '../../shaders/segment/slic-update.wgsl';
import { ShapeError } from '../errors.js';
import { kernel, treeVariants } from './kernel.js';
import { type SlicGrid, slicGrid } from './slic-assign.js';

/**
 * SLIC's second half: the mean colour and place of each superpixel's pixels.
 *
 * lab [N,3,H,W], labels [N,H,W] (u32) and the centres [N,S,5] they are of -> y [N,S,5] (L, a, b, row, column). A superpixel without
 * pixels keeps its centre. With neither labels nor centres each cell of the grid is a superpixel: the start.
 *
 * Only pixels in a superpixel's own cell and the eight around it count: `slicAssign` labels no others.
 */
export const slicUpdate = kernel({
  name: 'slicUpdate',
  reads: { lab: 'N 3 H W', 'labels?': 'N H W', 'centres?': 'N S 5' },
  results: { y: 'N S 5' },
  dtypes: { labels: 'u32', centres: 'f32', y: 'f32' },
  derive: (sizes, grid: SlicGrid) => {
    if (sizes.HAS_LABELS !== sizes.HAS_CENTRES) {
      throw new ShapeError(
        `slicUpdate: got ${sizes.HAS_LABELS ? 'labels' : 'centres'} alone: give labels and the centres they are of, or neither`,
      );
    }
    return slicGrid('slicUpdate', sizes, grid);
  },
  // nine cells a superpixel
  flops: ({ N, H, W }) => 9 * 6 * N * H * W,
  variants: treeVariants(tree, ({ N, S }) => N * S),
});
