import direct from '../../shaders/segment/pointer-jump.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * Each element's parent's parent, which halves the way to the root. parents [N,C] (u32, below C) -> y [N,C] (u32).
 *
 * ceil(log2(C)) of them take every element of a forest to its root.
 */
export const pointerJump = kernel({
  name: 'pointerJump',
  reads: { parents: 'N C' },
  results: { y: 'N C' },
  dtypes: { parents: 'u32', y: 'u32' },
  variants: [{ name: 'direct', code: direct, groups: ({ N, C }) => groupsFor(N * C, 64) }],
});
