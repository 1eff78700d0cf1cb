import naive from '../../shaders/matmul/linear.wgsl';
import block from '../../shaders/matmul/linear-block.wgsl';
import gemv from '../../shaders/matmul/linear-gemv.wgsl';
import thin from '../../shaders/matmul/linear-thin.wgsl';
import tile from '../../shaders/matmul/linear-tile.wgsl';
import { channelSlice, type SliceOptions } from './conv-shape.js';
import { type Activation, activationCode, groupsFor, kernel } from './kernel.js';

/** `k0` and `kTotal` are for writing a part of y's columns: for a weight split over several bindings. */
export interface LinearOptions extends SliceOptions {
  /** Applied to each element of w x + b. */
  readonly act?: LinearActivation;
}

export type LinearActivation = Activation | 'gelu';

/**
 * Fully connected layer with bias, activation and residual: y = act(w x + b) + r.
 *
 * x [N,C], w [K,C], b [K], r [N,kTotal] -> y [N,kTotal], of which columns k0 .. k0+K are written.
 */
export const linear = kernel({
  name: 'linear',
  reads: { x: 'N C', w: 'K C', 'b?': 'K', 'r?': 'N KT' },
  results: { y: 'N KT' },
  derive: ({ K }, options: LinearOptions) => ({
    ...channelSlice('linear', K, options),
    ACT: options.act === 'gelu' ? 2 : activationCode(options.act),
  }),
  flops: ({ N, K, C }) => 2 * N * K * C,
  variants: [
    {
      name: 'gemv',
      code: gemv,
      on: 'gpu',
      fits: ({ N, C }) => N <= 8 && C % 4 === 0,
      groups: ({ K }) => K,
    },
    {
      name: 'block',
      code: block,
      on: 'gpu',
      groups: ({ N, K }) => groupsFor(K, 64) * groupsFor(N, 64),
    },
    {
      name: 'thin',
      code: thin,
      on: 'software',
      fits: ({ N, C }) => C % 4 === 0 && N <= 32,
      groups: ({ N, K }) => groupsFor(K, 64) * groupsFor(N, 8),
    },
    {
      name: 'tile',
      code: tile,
      on: 'software',
      pays: ({ N }) => N >= 4, // it takes 8 rows at a time
      groups: ({ N, K }) => groupsFor(K, 16) * groupsFor(N, 128),
    },
    { name: 'naive', code: naive, groups: ({ N, K }) => groupsFor(N * K, 64) },
  ],
});
