import naive from '../../shaders/matmul/linear.wgsl';
import block from '../../shaders/matmul/linear-block.wgsl';
import blockScalar from '../../shaders/matmul/linear-block-scalar.wgsl';
import gemv from '../../shaders/matmul/linear-gemv.wgsl';
import gemvSubgroup from '../../shaders/matmul/linear-gemv-subgroup.wgsl';
import matrix from '../../shaders/matmul/linear-matrix.wgsl';
import quad from '../../shaders/matmul/linear-quad.wgsl';
import splitk from '../../shaders/matmul/linear-splitk.wgsl';
import thin from '../../shaders/matmul/linear-thin.wgsl';
import tile from '../../shaders/matmul/linear-tile.wgsl';
import type { Caps } from '../gpu/caps.js';
import { channelSlice, type SliceOptions } from './conv-shape.js';
import { type Activation, activationCode, groupsFor, kernel, type Sizes } from './kernel.js';
import { matrixVariants } from './matrix-variant.js';

/** `k0` and `kTotal` are for writing a part of y's columns: for a weight split over several bindings. */
export interface LinearOptions extends SliceOptions {
  /** Applied to each element of w x + b. */
  readonly act?: LinearActivation;
}

export type LinearActivation = Activation | 'gelu';

/** Tiles of 64 rows x 64 columns. */
const squares = (rows: number, columns: number): number =>
  groupsFor(rows, 64) * groupsFor(columns, 64);

/**
 * Whether a GPU is better off with tiles of 16 x 32 whose invocations share out the sum. Not measured: each sum is long, and tiles of 64 x 64 are fewer than a
 * large GPU has places for, or, of rows that fill them, than half of its 128 cores.
 */
const splitPays = ({ N, K, C }: Sizes): boolean => C >= 512 && squares(N, K) < (N <= 64 ? 256 : 64);

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
      name: 'gemv-subgroup',
      code: gemvSubgroup,
      on: 'gpu',
      needs: ({ features }) => features.has('subgroups'),
      fits: ({ N, C }) => N <= 8 && C % 4 === 0,
      groups: ({ K }) => groupsFor(K, 4),
    },
    {
      name: 'gemv',
      code: gemv,
      on: 'gpu',
      fits: ({ N, C }) => N <= 8 && C % 4 === 0,
      groups: ({ K }) => groupsFor(K, 4),
    },
    ...matrixVariants(matrix, {
      pays: (sizes) => sizes.N > 64 || (sizes.N >= 16 && !splitPays(sizes)),
      groups: ({ N, K }) => squares(N, K),
    }),
    {
      name: 'splitk',
      code: splitk,
      on: 'gpu',
      fits: ({ C }) => C % 4 === 0,
      pays: splitPays,
      groups: ({ N, K }) => groupsFor(K, 32) * groupsFor(N, 16),
    },
    {
      name: 'block',
      code: block,
      on: 'gpu',
      fits: ({ C }) => C % 4 === 0,
      groups: ({ N, K }) => squares(N, K),
    },
    {
      name: 'block-scalar',
      code: blockScalar,
      on: 'gpu',
      groups: ({ N, K }) => squares(N, K),
    },
    {
      name: 'quad',
      code: quad,
      on: 'software',
      needs: ({ features }) => features.has('subgroups'),
      fits: ({ C }) => C % 4 === 0,
      tunings: quadTunings,
      groups: ({ N, K, ROWS, WIDE, LANES }) =>
        groupsFor(K, (WIDE ? 8 : 4) * LANES) * groupsFor(N, ROWS),
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

/** Rows of an invocation of `quad`, and whether it has eight columns or four: eight lanes are worth the larger tile, which compiles longer. */
function quadTunings({ N }: Sizes, { lanes }: Caps): readonly Record<string, number>[] {
  if (N <= 4) return [{ ROWS: 4, WIDE: 1 }];
  const small = { ROWS: 8, WIDE: 0 };
  const large = { ROWS: 16, WIDE: 1 };
  if (N <= 8) return [small];
  return lanes === 8 ? [large, small] : [small, large];
}
