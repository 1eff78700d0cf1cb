import tree from '../../shaders/cam/maps-dot.wgsl';
import { kernel, treeVariants } from './kernel.js';

/** Each feature map's inner product with one pixel weighting. x [N,K,S], v [N,S] -> w [N,K]. */
export const mapsDot = kernel({
  name: 'mapsDot',
  reads: { x: 'N K S', v: 'N S' },
  results: { w: 'N K' },
  flops: ({ N, K, S }) => 2 * N * K * S,
  variants: treeVariants(tree, ({ N, K }) => N * K),
});
