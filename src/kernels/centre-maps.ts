import tree from '../../shaders/cam/centre-maps.wgsl';
import { kernel, treeVariants } from './kernel.js';

/** Each feature map minus its mean. x [N,K,H,W] -> y [N,K,H,W]. */
export const centreMaps = kernel({
  name: 'centreMaps',
  reads: { x: 'N K H W' },
  results: { y: 'N K H W' },
  flops: ({ N, K, H, W }) => 2 * N * K * H * W,
  variants: treeVariants(tree, ({ N, K }) => N * K),
});
