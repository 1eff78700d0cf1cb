import tree from '../../shaders/cam/x-grad-cam-weights.wgsl';
import { kernel, treeVariants } from './kernel.js';

/** Weights of XGrad-CAM (Fu 2020). x g [N,K,H,W] -> w [N,K]. */
export const xGradCamWeights = kernel({
  name: 'xGradCamWeights',
  reads: { x: 'N K H W', g: 'N K H W' },
  results: { w: 'N K' },
  flops: ({ N, K, H, W }) => 3 * N * K * H * W,
  variants: treeVariants(tree, ({ N, K }) => N * K),
});
