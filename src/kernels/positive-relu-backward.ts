import direct from '../../shaders/activation/positive-relu-backward.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * ReLU as guided backpropagation (Springenberg 2015) and, without y, as a deconvnet (Zeiler 2014) goes back through it: dx is dy where
 * dy > 0 and y > 0, else 0. dy [*], y? [*] -> dx [*].
 */
export const positiveReluBackward = kernel({
  name: 'positiveReluBackward',
  reads: { dy: '*', 'y?': '*' },
  results: { dx: '*' },
  flops: ({ SIZE }) => SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
