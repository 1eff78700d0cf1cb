import direct from '../../shaders/activation/multiply.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** Elementwise product. a [*], b [*] -> y [*], the shape of a. */
export const multiply = kernel({
  name: 'multiply',
  reads: { a: '*', b: '*' },
  results: { y: '*' },
  flops: ({ SIZE }) => SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
