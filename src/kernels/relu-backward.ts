import direct from '../../shaders/activation/relu-backward.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** Gradient of ReLU from its result: dx is dy where y > 0, else 0. dy [*], y [*] -> dx [*]. */
export const reluBackward = kernel({
  name: 'reluBackward',
  reads: { dy: '*', y: '*' },
  results: { dx: '*' },
  flops: ({ SIZE }) => SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
