import direct from '../../shaders/image/heatmap.wgsl';
import { groupsFor, kernel } from './kernel.js';

/**
 * A saliency map in colours. map [P,Q] (0 .. 1, held to that), colours [256] (u32, RGBA from the lowest byte) -> y [P,Q] (u32).
 *
 * Where the map is not finite y is transparent.
 */
export const heatmap = kernel({
  name: 'heatmap',
  reads: { map: 'P Q', colours: '256' },
  results: { y: 'P Q' },
  dtypes: { colours: 'u32', y: 'u32' },
  variants: [{ name: 'direct', code: direct, groups: ({ P, Q }) => groupsFor(P * Q, 64) }],
});
