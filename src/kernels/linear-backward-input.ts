import naive from '../../shaders/matmul/linear-backward-input.wgsl';
import block from '../../shaders/matmul/linear-backward-input-block.wgsl';
import blockScalar from '../../shaders/matmul/linear-backward-input-block-scalar.wgsl';
import gemv from '../../shaders/matmul/linear-backward-input-gemv.wgsl';
import quad from '../../shaders/matmul/linear-backward-input-quad.wgsl';
import tile from '../../shaders/matmul/linear-backward-input-tile.wgsl';
import { channelSlice } from './conv-shape.js';
import { groupsFor, kernel } from './kernel.js';

export interface LinearBackwardInputOptions {
  /** First column of dy that belongs to w. */
  readonly k0?: number;
  /** Add to what dx holds instead of overwriting it. */
  readonly accumulate?: boolean;
}

/**
 * Gradient of {@link linear} with respect to its input.
 *
 * dy [N,KT] (columns k0 .. k0+K are used), w [K,C] -> dx [N,C].
 */
export const linearBackwardInput = kernel({
  name: 'linearBackwardInput',
  reads: { dy: 'N KT', w: 'K C' },
  results: { dx: 'N C' },
  derive: ({ K, KT }, { k0, accumulate }: LinearBackwardInputOptions) => ({
    ...channelSlice('linearBackwardInput', K, { k0, kTotal: KT }, 'dy'),
    ACCUMULATE: accumulate ? 1 : 0,
  }),
  flops: ({ N, K, C }) => 2 * N * K * C,
  variants: [
    {
      name: 'gemv',
      code: gemv,
      on: 'gpu',
      fits: ({ N, C }) => N <= 4 && C % 4 === 0,
      groups: ({ C }) => groupsFor(C, 64),
    },
    {
      name: 'block',
      code: block,
      on: 'gpu',
      fits: ({ C }) => C % 4 === 0,
      groups: ({ N, C }) => groupsFor(C, 64) * groupsFor(N, 64),
    },
    {
      name: 'block-scalar',
      code: blockScalar,
      on: 'gpu',
      groups: ({ N, C }) => groupsFor(C, 64) * groupsFor(N, 64),
    },
    {
      name: 'quad',
      code: quad,
      on: 'software',
      needs: ({ features }) => features.has('subgroups'),
      fits: ({ C, K, K0, KT }) => [C, K, K0, KT].every((size) => size % 4 === 0),
      pays: ({ N }) => N >= 6, // it takes 8 rows at a time; for fewer, tile reads w as fast
      tunings: ({ N }, { lanes }) => {
        if (N <= 8) return [{ ROWS: 8 }];
        return lanes === 8 ? [{ ROWS: 16 }, { ROWS: 8 }] : [{ ROWS: 8 }, { ROWS: 16 }];
      },
      groups: ({ N, C, ROWS, LANES }) => groupsFor(C, 4 * LANES) * groupsFor(N, ROWS),
    },
    {
      name: 'tile',
      code: tile,
      on: 'software',
      fits: ({ C }) => C % 4 === 0,
      groups: ({ N, C }) => groupsFor(C, 256) * groupsFor(N, 8),
    },
    { name: 'naive', code: naive, groups: ({ N, C }) => groupsFor(N * C, 64) },
  ],
});
