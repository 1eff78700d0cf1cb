import tree from '../../shaders/reduce/spatial-mean.wgsl';
import { kernel, treeVariants } from './kernel.js';

/** Mean of each feature map. x [N,K,H,W] -> y [N,K]. */
export const spatialMean = kernel({
  name: 'spatialMean',
  reads: { x: 'N K H W' },
  results: { y: 'N K' },
  flops: ({ N, K, H, W }) => N * K * H * W,
  variants: treeVariants(tree, ({ N, K }) => N * K),
});
