import direct from '../../shaders/activation/relu.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** Negative elements become 0. x [*] -> y [*]. */
export const relu = kernel({
  name: 'relu',
  reads: { x: '*' },
  results: { y: '*' },
  flops: ({ SIZE }) => SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
