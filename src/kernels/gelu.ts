import direct from '../../shaders/activation/gelu.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Gaussian error linear unit: x times the standard normal distribution up to x, the exact one (PyTorch's default), not its tanh fit.
 *
 * x [*] -> y [*]. The distribution is within 1e-7 of the exact one.
 */
export const gelu = kernel({
  name: 'gelu',
  reads: { x: '*' },
  results: { y: '*' },
  flops: ({ SIZE }) => 40 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
