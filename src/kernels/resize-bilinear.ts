import direct from '../../shaders/image/resize-bilinear.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel, type Sizes } from './kernel.js';
import { sidesOf } from './pool-shape.js';

export interface ResizeOptions {
  /** Whether the corner pixels' centres stay in the corners; false by default (the pixels' areas scale). */
  readonly alignCorners?: boolean;
}

/**
 * Bilinear interpolation without antialiasing. x [N,C,H,W] -> y [N,C,P,Q], option `outputSize` [P,Q].
 *
 * PyTorch's `interpolate`; with `alignCorners` false also OpenCV's INTER_LINEAR.
 */
export const resizeBilinear = kernel({
  name: 'resizeBilinear',
  reads: { x: 'N C H W' },
  results: { y: 'N C P Q' },
  derive: (sizes, options: ResizeOptions & { readonly outputSize: readonly [number, number] }) => {
    const [P, Q] = sidesOf('resizeBilinear', 'outputSize', options.outputSize);
    return { P, Q, ALIGN: alignment('resizeBilinear', { ...sizes, P, Q }, options) };
  },
  flops: ({ N, C, P, Q }) => 9 * N * C * P * Q,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, P, Q }) => groupsFor(N * C * P * Q, 64) },
  ],
});

/** The constant `ALIGN`. Sides must be such that positions, which are fractions of 32-bit whole numbers, do not overflow. */
export function alignment(
  kernelName: string,
  { H, W, P, Q }: Sizes,
  { alignCorners = false }: ResizeOptions,
): number {
  if (Math.max(H, W, P, Q) > 32_768) {
    throw new ShapeError(
      `${kernelName}: from ${H} x ${W} to ${P} x ${Q}: sides should be at most 32768`,
    );
  }
  return alignCorners ? 1 : 0;
}
