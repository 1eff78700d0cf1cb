import direct from '../../shaders/attention/tokens-to-maps.wgsl';
import square from '../../shaders/attention/tokens-to-maps-square.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { gridWithin } from './token-shape.js';

export interface TokensToMapsOptions {
  /** Rows and columns of the grid of tokens. */
  readonly grid: readonly [number, number];
  /** Tokens before the grid, which are dropped; default all but the grid's. */
  readonly first?: number;
}

/**
 * Rows of tokens as maps, a channel each column of the embedding: the gradient of `patchesToTokens`, and how methods for maps see tokens.
 *
 * x [N,T,D] -> y [N,D,P,Q], `grid` [P,Q].
 */
export const tokensToMaps = kernel({
  name: 'tokensToMaps',
  reads: { x: 'N T D' },
  results: { y: 'N D P Q' },
  derive: ({ T }, { grid, first }: TokensToMapsOptions) =>
    gridWithin('tokensToMaps', T, grid, first),
  variants: [
    {
      name: 'square',
      code: square,
      on: 'gpu',
      groups: ({ N, P, Q, D }) => N * groupsFor(P * Q, 32) * groupsFor(D, 32),
    },
    { name: 'direct', code: direct, groups: ({ N, P, Q, D }) => groupsFor(N * P * Q * D, 64) },
  ],
});
