import direct from '../../shaders/cam/gram.wgsl';
import square from '../../shaders/cam/gram-square.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** Inner products of feature maps, or of the pixels' feature vectors with `byPixel`. x [N,K,S] -> y [N,M,M], M = K or S. */
export const gram = kernel({
  name: 'gram',
  reads: { x: 'N K S' },
  results: { y: 'N M M' },
  derive: ({ K, S }, { byPixel = false }: { readonly byPixel?: boolean }) => ({
    BY_PIXEL: byPixel ? 1 : 0,
    M: byPixel ? S : K,
  }),
  flops: ({ N, K, S, M }) => 2 * N * M * K * S,
  variants: [{ name: 'direct', code: direct, groups: ({ N, M }) => groupsFor(N * M * M, 64) }],
});

/** The square of a symmetric matrix over its squared trace. x [N,M,M] -> y [N,M,M]. */
export const gramSquare = kernel({
  name: 'gramSquare',
  reads: { x: 'N M M' },
  results: { y: 'N M M' },
  flops: ({ N, M }) => 3 * N * M * M * M,
  variants: [{ name: 'direct', code: square, groups: ({ N, M }) => groupsFor(N * M * M, 64) }],
});
