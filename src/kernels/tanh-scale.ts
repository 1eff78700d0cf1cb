import direct from '../../shaders/cam/tanh-scale.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** tanh(gamma relu(x) / largest) by row (LayerCAM, Jiang 2021, section III-C). x [N,S], range [N,4] -> y [N,S]. */
export const tanhScale = kernel({
  name: 'tanhScale',
  reads: { x: 'N S', range: 'N 4' },
  results: { y: 'N S' },
  derive: (_sizes, { gamma = 2 }: { readonly gamma?: number }) => ({ GAMMA: gamma }),
  flops: ({ N, S }) => 4 * N * S,
  variants: [{ name: 'direct', code: direct, groups: ({ N, S }) => groupsFor(N * S, 64) }],
});
