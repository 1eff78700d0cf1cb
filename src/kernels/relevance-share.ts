import direct from '../../shaders/activation/relevance-share.wgsl';
import { groupsFor, kernel } from './kernel.js';

export interface RelevanceShareOptions {
  /** Sign that `gate` must have, 1 or -1. */
  readonly sign?: 1 | -1;
}

/**
 * Relevance over what it is shared in proportion to (LRP). r [*], z [*], c [2] = (weight, stabiliser), gate? [*] -> s [*] =
 * weight r / (z + stabiliser sign(z)), sign(0) = 1; 0 where the gate has not the wanted sign.
 */
export const relevanceShare = kernel({
  name: 'relevanceShare',
  reads: { r: '*', z: '*', c: '2', 'gate?': '*' },
  results: { s: '*' },
  derive: (_sizes, { sign = 1 }: RelevanceShareOptions) => ({ GATE: sign }),
  flops: ({ SIZE }) => 4 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
