import direct from '../../shaders/image/add-resized.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { sidesOf } from './pool-shape.js';
import { alignment } from './resize-bilinear.js';

export interface AddResizedOptions {
  /** [P, Q]. */
  readonly outputSize: readonly [number, number];
  /** Whether these are the first maps, which start from 0. */
  readonly first: boolean;
}

/**
 * Resizes maps bilinearly and adds them to those before (record with `into`). x [N,C,H,W], gate? [N] -> y [N,C,P,Q] += gate[n] resized x.
 *
 * Interpolates as `resizeBilinear`, corners not aligned. Where the gate is 0, y stays as it is, whatever x holds.
 */
export const addResized = kernel({
  name: 'addResized',
  reads: { x: 'N C H W', 'gate?': 'N' },
  results: { y: 'N C P Q' },
  derive: (sizes, { outputSize, first }: AddResizedOptions) => {
    const [P, Q] = sidesOf('addResized', 'outputSize', outputSize);
    alignment('addResized', { ...sizes, P, Q }, {}); // for its check of the sides
    return { P, Q, FIRST: first ? 1 : 0 };
  },
  flops: ({ N, C, P, Q }) => 11 * N * C * P * Q,
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, P, Q }) => groupsFor(N * C * P * Q, 64) },
  ],
});
