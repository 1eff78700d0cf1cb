import gather from '../../shaders/image/resize-bilinear-backward.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { type InputSize, inputSizeOf } from './pool-shape.js';
import { alignment, type ResizeOptions } from './resize-bilinear.js';

/** Gradient of `resizeBilinear`. dy [N,C,P,Q] -> dx [N,C,H,W]; options `inputSize` [H,W] and `alignCorners`. */
export const resizeBilinearBackward = kernel({
  name: 'resizeBilinearBackward',
  reads: { dy: 'N C P Q' },
  results: { dx: 'N C H W' },
  derive: (sizes, options: ResizeOptions & InputSize) => {
    const [H, W] = inputSizeOf('resizeBilinearBackward', options);
    return { H, W, ALIGN: alignment('resizeBilinearBackward', { ...sizes, H, W }, options) };
  },
  flops: ({ N, C, P, Q }) => 9 * N * C * P * Q,
  variants: [
    { name: 'gather', code: gather, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});
