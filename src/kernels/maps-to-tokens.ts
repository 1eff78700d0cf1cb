import direct from '../../shaders/attention/maps-to-tokens.wgsl';
import square from '../../shaders/attention/maps-to-tokens-square.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { gridWithin, wholeWithin } from './token-shape.js';

export interface MapsToTokensOptions {
  /** Rows of the result: all tokens. */
  readonly tokens: number;
  /** Tokens before the grid, whose rows are 0; default all that the maps leave. */
  readonly first?: number;
}

/** Maps as rows of tokens, zeros in rows that no map has: the gradient of `tokensToMaps`. x [N,D,H,W] -> y [N,T,D]. */
export const mapsToTokens = kernel({
  name: 'mapsToTokens',
  reads: { x: 'N D H W' },
  results: { y: 'N T D' },
  derive: ({ H, W }, { tokens, first }: MapsToTokensOptions) => ({
    T: wholeWithin('mapsToTokens', 'tokens', tokens, [1, 2 ** 24]),
    FIRST: gridWithin('mapsToTokens', tokens, [H, W], first).FIRST,
  }),
  variants: [
    {
      name: 'square',
      code: square,
      on: 'gpu',
      groups: ({ N, T, D }) => N * groupsFor(T, 32) * groupsFor(D, 32),
    },
    { name: 'direct', code: direct, groups: ({ N, T, D }) => groupsFor(N * T * D, 64) },
  ],
});
