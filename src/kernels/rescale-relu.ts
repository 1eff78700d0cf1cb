import direct from '../../shaders/activation/rescale-relu.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * ReLU as DeepLIFT (Shrikumar 2017, rescale rule) goes back through it. dy [*], x [*], x0 [*] (the same place of the reference's forward pass) ->
 * dx [*] = dy (relu(x) - relu(x0)) / (x - x0), the derivative where x = x0.
 */
export const rescaleRelu = kernel({
  name: 'rescaleRelu',
  reads: { dy: '*', x: '*', x0: '*' },
  results: { dx: '*' },
  flops: ({ SIZE }) => 5 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
