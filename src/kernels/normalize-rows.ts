import direct from '../../shaders/reduce/normalize-rows.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Stretches each row to 0 .. 1: (x - least) / (largest - least). x [N,C], range [N,4] (from `rowRange`) -> y [N,C].
 *
 * A constant row gives 0, and so does an element that is not finite.
 */
export const normalizeRows = kernel({
  name: 'normalizeRows',
  reads: { x: 'N C', range: 'N 4' },
  results: { y: 'N C' },
  flops: ({ N, C }) => 3 * N * C,
  variants: [{ name: 'direct', code: direct, groups: ({ N, C }) => groupsFor(N * C, 64) }],
});
