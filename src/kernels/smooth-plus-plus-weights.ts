import tree from '../../shaders/cam/smooth-plus-plus-weights.wgsl';
import { kernel, treeVariants } from './kernel.js';

/** Weights of Smooth Grad-CAM++ (Omeiza 2019) from {@link gradientMoments}. x [N,K,H,W], m [3,N,K,H,W] -> w [N,K]. */
export const smoothPlusPlusWeights = kernel({
  name: 'smoothPlusPlusWeights',
  reads: { x: 'N K H W', m: '3 N K H W' },
  results: { w: 'N K' },
  derive: (_sizes, { literal = false }: { readonly literal?: boolean }) => ({
    LITERAL: literal ? 1 : 0,
  }),
  flops: ({ N, K, H, W }) => 7 * N * K * H * W,
  variants: treeVariants(tree, ({ N, K }) => N * K),
});
