import naive from '../../shaders/matmul/linear-backward-weight.wgsl';
import tile from '../../shaders/matmul/linear-backward-weight-tile.wgsl';
import { channelSlice } from './conv-shape.js';
import { groupsFor, kernel } from './kernel.js';

export interface LinearBackwardWeightOptions {
  /** First column of dy that belongs to w, and the number of columns; default all. */
  readonly k0?: number;
  readonly k?: number;
}

/**
 * Gradient of {@link linear} with respect to its weight.
 *
 * x [N,C], dy [N,KT] (columns k0 .. k0+k are used) -> dw [k,C].
 */
export const linearBackwardWeight = kernel({
  name: 'linearBackwardWeight',
  reads: { x: 'N C', dy: 'N KT' },
  results: { dw: 'K C' },
  derive: ({ KT }, { k0 = 0, k = KT - k0 }: LinearBackwardWeightOptions) => ({
    K: k,
    ...channelSlice('linearBackwardWeight', k, { k0, kTotal: KT }, 'dy'),
  }),
  flops: ({ N, K, C }) => 2 * N * K * C,
  variants: [
    {
      name: 'tile',
      code: tile,
      tuning: (_, { kind }) => ({ GX: kind === 'software' ? 16 : 64 }),
      groups: ({ K, C, GX }) => groupsFor(K, 16) * groupsFor(C, GX * 8),
    },
    { name: 'naive', code: naive, groups: ({ K, C }) => groupsFor(K * C, 64) },
  ],
});
