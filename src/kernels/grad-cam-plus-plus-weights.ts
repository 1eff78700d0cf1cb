import tree from '../../shaders/cam/grad-cam-plus-plus-weights.wgsl';
import { kernel, treeVariants } from './kernel.js';

/** Which denominator alpha has: the paper's, with pytorch-grad-cam's 1e-6 added, or torch-cam's sum of A G^3. */
export type PlusPlusForm = 'paper' | 'stabilised' | 'torch-cam';

const forms: Record<PlusPlusForm, number> = { paper: 0, stabilised: 1, 'torch-cam': 2 };

/** Weights of Grad-CAM++ (Chattopadhay 2018, equation 19). x g [N,K,H,W] -> w [N,K]. */
export const gradCamPlusPlusWeights = kernel({
  name: 'gradCamPlusPlusWeights',
  reads: { x: 'N K H W', g: 'N K H W' },
  results: { w: 'N K' },
  derive: (_sizes, { form = 'paper' }: { readonly form?: PlusPlusForm }) => ({ FORM: forms[form] }),
  flops: ({ N, K, H, W }) => 6 * N * K * H * W,
  variants: treeVariants(tree, ({ N, K }) => N * K),
});
