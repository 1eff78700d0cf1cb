import direct from '../../shaders/attention/token-gather-backward.wgsl';
import { groupsFor, kernel } from './kernel.js';
import type { TokenOption } from './token-gather.js';
import { wholeWithin } from './token-shape.js';

export interface TokenGatherBackwardOptions extends TokenOption {
  /** Rows of the result: all tokens. */
  readonly tokens: number;
}

/** Gradient of `tokenGather`: 0 at all other tokens. dy [N,D] -> dx [N,T,D]. */
export const tokenGatherBackward = kernel({
  name: 'tokenGatherBackward',
  reads: { dy: 'N D' },
  results: { dx: 'N T D' },
  derive: (_sizes, { token = 0, tokens }: TokenGatherBackwardOptions) => ({
    T: wholeWithin('tokenGatherBackward', 'tokens', tokens, [1, 2 ** 24]),
    TOKEN: wholeWithin('tokenGatherBackward', 'token', token, [0, tokens - 1]),
  }),
  variants: [{ name: 'direct', code: direct, groups: ({ N, T, D }) => groupsFor(N * T * D, 64) }],
});
