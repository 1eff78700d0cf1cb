import tree from '../../shaders/mask/upsampled-range.wgsl';
import { kernel, treeVariants } from './kernel.js';
import { sidesOf } from './pool-shape.js';

/** Least and largest element of each map once enlarged bilinearly to `outputSize`. x [N,K,H,W] -> range [N,K,2]. */
export const upsampledRange = kernel({
  name: 'upsampledRange',
  reads: { x: 'N K H W' },
  results: { range: 'N K 2' },
  derive: (_sizes, { outputSize }: { readonly outputSize: readonly [number, number] }) => {
    const [P, Q] = sidesOf('upsampledRange', 'outputSize', outputSize);
    return { P, Q };
  },
  flops: ({ N, K, P, Q }) => 11 * N * K * P * Q,
  variants: treeVariants(tree, ({ N, K }) => N * K),
});
