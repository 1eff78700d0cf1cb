import direct from '../../shaders/cam/elementwise-sum.wgsl';
import { groupsFor, kernel } from './kernel.js';

export interface ElementwiseSumOptions {
  /** Take only gradients above 0 (LayerCAM). */
  readonly relu?: boolean;
}

/** Gradients times activations summed over the maps. x [N,K,H,W], g [N,K,H,W] -> y [N,H,W]. */
export const elementwiseSum = kernel({
  name: 'elementwiseSum',
  reads: { x: 'N K H W', g: 'N K H W' },
  results: { y: 'N H W' },
  derive: (_sizes, { relu = false }: ElementwiseSumOptions) => ({ RELU: relu ? 1 : 0 }),
  flops: ({ N, K, H, W }) => 2 * N * K * H * W,
  variants: [{ name: 'direct', code: direct, groups: ({ N, H, W }) => groupsFor(N * H * W, 64) }],
});
