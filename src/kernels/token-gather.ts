import direct from '../../shaders/attention/token-gather.wgsl';
import { groupsFor, kernel } from './kernel.js';
import { wholeWithin } from './token-shape.js';

export interface TokenOption {
  /** Which token; default 0, the class token. */
  readonly token?: number;
}

/** One token of each image, as a head for classes reads it. x [N,T,D] -> y [N,D]. */
export const tokenGather = kernel({
  name: 'tokenGather',
  reads: { x: 'N T D' },
  results: { y: 'N D' },
  derive: ({ T }, { token = 0 }: TokenOption) => ({
    TOKEN: wholeWithin('tokenGather', 'token', token, [0, T - 1]),
  }),
  variants: [{ name: 'direct', code: direct, groups: ({ N, D }) => groupsFor(N * D, 64) }],
});
