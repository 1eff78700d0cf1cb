import direct from '../../shaders/pool/adaptive-avg-pool2d-backward.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { type InputSize, inputSizeOf } from './pool-shape.js';

/** Gradient of adaptive average pooling. dy [N,C,P,Q] -> dx [N,C,H,W]; option `inputSize` [H,W]. */
export const adaptiveAvgPool2dBackward = kernel({
  name: 'adaptiveAvgPool2dBackward',
  reads: { dy: 'N C P Q' },
  results: { dx: 'N C H W' },
  derive: (_sizes, options: InputSize) => {
    const [H, W] = inputSizeOf('adaptiveAvgPool2dBackward', options);
    return { H, W };
  },
  flops: ({ N, C, H, W, P, Q }) => 2 * N * C * Math.max(H, P) * Math.max(W, Q),
  variants: [
    { name: 'gather', code: direct, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});
