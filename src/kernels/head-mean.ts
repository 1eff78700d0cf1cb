import direct from '../../shaders/attention/head-mean.wgsl';
import { groupsFor, kernel } from './kernel.js';

export interface HeadMeanOptions {
  /** Whether negative elements (products) count as 0; default false. */
  readonly positive?: boolean;
}

/** Mean over heads of maps, or of their products with others. a [N,HEADS,T,T], g? [N,HEADS,T,T] -> y [N,T,T]. */
export const headMean = kernel({
  name: 'headMean',
  reads: { a: 'N HEADS T T', 'g?': 'N HEADS T T' },
  results: { y: 'N T T' },
  derive: (_sizes, { positive = false }: HeadMeanOptions) => ({ POSITIVE: positive ? 1 : 0 }),
  flops: ({ N, HEADS, T }) => 3 * N * HEADS * T * T,
  variants: [{ name: 'direct', code: direct, groups: ({ N, T }) => groupsFor(N * T * T, 64) }],
});
