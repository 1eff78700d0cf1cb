import direct from '../../shaders/mask/rise-masks.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';
import { sidesOf } from './pool-shape.js';

export interface RiseMasksOptions {
  /** Number of masks. */
  readonly masks: number;
  /** Cells along a mask's side, 7 by default. */
  readonly grid?: number;
  /** [P, Q]. */
  readonly outputSize: readonly [number, number];
}

/**
 * RISE's random masks (V. Petsiuk et al., "RISE", BMVC 2018): grids of 0 and 1, enlarged, each shifted by less than a cell.
 *
 * rise [4] (u32, see {@link riseOf}) -> y [N,P,Q] in 0 .. 1. A mask depends on its number only, not on the batch it is made in. Enlarged as the
 * authors' program does by scikit-image (order 1, mirrored border), not as clamped bilinear resizing.
 */
export const riseMasks = kernel({
  name: 'riseMasks',
  reads: { rise: '4' },
  results: { y: 'N P Q' },
  dtypes: { rise: 'u32' },
  derive: (_, { masks, grid = 7, outputSize }: RiseMasksOptions) => {
    const [P, Q] = sidesOf('riseMasks', 'outputSize', outputSize);
    if (!Number.isInteger(masks) || masks < 1) {
      throw new ShapeError(`riseMasks: masks is ${masks}, should be a whole number from 1 on`);
    }
    if (!Number.isInteger(grid) || grid < 1 || grid > 1024) {
      throw new ShapeError(`riseMasks: grid is ${grid}, should be a whole number from 1 to 1024`);
    }
    if (Math.max(P, Q) > 32_768) {
      throw new ShapeError(`riseMasks: outputSize is [${P},${Q}]: sides should be at most 32768`);
    }
    return { N: masks, P, Q, GRID: grid, CP: Math.ceil(P / grid), CQ: Math.ceil(Q / grid) };
  },
  flops: ({ N, P, Q }) => 60 * N * P * Q,
  variants: [{ name: 'direct', code: direct, groups: ({ N, P, Q }) => groupsFor(N * P * Q, 64) }],
});

/**
 * The `rise` input of {@link riseMasks}: a name that seeds it (FNV-1a of `key:grid` and `key:shift`), the number of the first mask, and the
 * probability that a cell is 1 (0.5 by default).
 *
 * @throws ShapeError unless 0 < p <= 1 and `first` is a whole number from 0 on.
 */
export function riseOf(
  key: string,
  { p = 0.5, first = 0 }: { readonly p?: number; readonly first?: number } = {},
): Uint32Array {
  if (!(p > 0 && p <= 1)) {
    throw new ShapeError(`riseOf: p is ${p}, should be more than 0 and at most 1`);
  }
  if (!Number.isInteger(first) || first < 0) {
    throw new ShapeError(`riseOf: first is ${first}, should be a whole number from 0 on`);
  }
  // hash / 2^32 < p, for a whole hash
  const most = Math.ceil(p * 2 ** 32) - 1;
  return Uint32Array.of(seedOf(`${key}:grid`), seedOf(`${key}:shift`), first, most);
}

function seedOf(name: string): number {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  return seed;
}
