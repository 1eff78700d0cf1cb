import direct from '../../shaders/segment/root-flags.wgsl';
import { groupsFor, kernel } from './kernel.js';

/** 1 for each element that is its own parent, else 0. parents [N,C] (u32) -> y [N,C] (u32). */
export const rootFlags = kernel({
  name: 'rootFlags',
  reads: { parents: 'N C' },
  results: { y: 'N C' },
  dtypes: { parents: 'u32', y: 'u32' },
  variants: [{ name: 'direct', code: direct, groups: ({ N, C }) => groupsFor(N * C, 64) }],
});
