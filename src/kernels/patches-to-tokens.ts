import direct from '../../shaders/attention/patches-to-tokens.wgsl';
import square from '../../shaders/attention/patches-to-tokens-square.wgsl';
import { ShapeError } from '../errors.js';
import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { channelSum } from './channel-sum.js';
import { groupsFor, kernel } from './kernel.js';
import { tokensToMaps } from './tokens-to-maps.js';

/**
 * Maps of patch embeddings as rows of tokens, patches in row-major order, class tokens before them, positions added.
 *
 * x [N,D,H,W], cls [EXTRA,D] (class, distillation, register tokens), pos [TT,D] -> y [N,TT,D], EXTRA = TT - H W. Without cls the extra
 * tokens are their positions alone.
 */
export const patchesToTokens = kernel({
  name: 'patchesToTokens',
  reads: { x: 'N D H W', 'cls?': 'EXTRA D', pos: 'TT D' },
  results: { y: 'N TT D' },
  derive: ({ H, W, TT, EXTRA = Math.max(0, TT - H * W) }) => {
    if (TT !== EXTRA + H * W) {
      throw new ShapeError(
        `patchesToTokens: pos has ${TT} rows, should have ${EXTRA + H * W}: ${EXTRA} of cls and ${H} x ${W} patches (interpolatePositions fits it to another grid)`,
      );
    }
    return { EXTRA };
  },
  flops: ({ N, TT, D }) => N * TT * D,
  variants: [
    {
      name: 'square',
      code: square,
      on: 'gpu',
      groups: ({ N, TT, D }) => N * groupsFor(TT, 32) * groupsFor(D, 32),
    },
    { name: 'direct', code: direct, groups: ({ N, TT, D }) => groupsFor(N * TT * D, 64) },
  ],
});

/**
 * Records the gradient of {@link patchesToTokens} with respect to the patches: those tokens' rows as maps again.
 *
 * dy [N,T,D] -> dx [N,D,h,w], `grid` [h,w]; the extra tokens, which come first, have no part in it.
 */
export function patchesToTokensBackward(
  r: Recorder,
  dy: Value | Tensor,
  { grid }: { readonly grid: readonly [number, number] },
): Value {
  return r.k(tokensToMaps, { x: dy }, { first: dy.shape[1] - grid[0] * grid[1], grid });
}

/**
 * Records the gradient of {@link patchesToTokens} with respect to the positions: dy summed over the batch. Its first EXTRA rows are that
 * of the class tokens.
 *
 * dy [N,T,D] -> dpos [T,D].
 */
export function patchesToTokensBackwardParams(r: Recorder, dy: Value | Tensor): Value {
  const [N, T, D] = dy.shape;
  return r.k(channelSum, { dy: r.value(dy).reshape([N, T * D, 1, 1]) }).reshape([T, D]);
}
