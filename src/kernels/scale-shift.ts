import direct from '../../shaders/activation/scale-shift.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** The same straight line for every element: y = line[0] x + line[1]. x [*], line [2] -> y [*]. */
export const scaleShift = kernel({
  name: 'scaleShift',
  reads: { x: '*', line: '2' },
  results: { y: '*' },
  flops: ({ SIZE }) => 2 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
