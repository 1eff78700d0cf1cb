import direct from '../../shaders/activation/rescale-gelu.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * GELU as DeepLIFT (Shrikumar 2017, rescale rule) goes back through it. dy [*], x [*], x0 [*] (the same place of the reference's forward pass) ->
 * dx [*] = dy (gelu(x) - gelu(x0)) / (x - x0), the derivative half way between where they lie within 1/64.
 */
export const rescaleGelu = kernel({
  name: 'rescaleGelu',
  reads: { dy: '*', x: '*', x0: '*' },
  results: { dx: '*' },
  flops: ({ SIZE }) => 120 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
