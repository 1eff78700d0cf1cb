import direct from '../../shaders/image/resize-bilinear.wgsl';
import square from '../../shaders/image/resize-bilinear-square.wgsl';
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
    {
      name: 'square',
      code: square,
      fits: ({ H, W, P, Q }) => P >= 3 * H && Q >= 3 * W && Q % 4 === 0,
      // One element an invocation is many more of them, which is what a GPU wants where there are few.
      pays: ({ N, C, P, Q }) => N * C * P * Q >= 2 ** 16,
      tuning: (_, { kind }) => ({ GX: kind === 'software' ? 16 : 64 }),
      groups: ({ N, C, P, Q, GX }) => groupsFor(N * C * groupsFor(P, 4) * (Q / 4), GX),
    },
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
