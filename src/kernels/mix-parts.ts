import direct from '../../shaders/activation/mix-parts.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Each element as a combination of itself, its positive part, its negative part, its square and 1: what relevance rules make of inputs and
 * weights. x [*], c [5] -> y [*] = c[0] x + c[1] max(x, 0) + c[2] min(x, 0) + c[3] x^2 + c[4].
 */
export const mixParts = kernel({
  name: 'mixParts',
  reads: { x: '*', c: '5' },
  results: { y: '*' },
  flops: ({ SIZE }) => 10 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
