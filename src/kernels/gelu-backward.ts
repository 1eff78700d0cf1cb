import direct from '../../shaders/activation/gelu-backward.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** Gradient of `gelu` from its input. dy [*], x [*] -> dx [*]. */
export const geluBackward = kernel({
  name: 'geluBackward',
  reads: { dy: '*', x: '*' },
  results: { dx: '*' },
  flops: ({ SIZE }) => 44 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
