import direct from '../../shaders/activation/concat.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface ConcatOptions {
  /** First channel of y to write; 0 by default. */
  readonly k0?: number;
  /** Channels of y; those of x by default. */
  readonly kTotal?: number;
}

/**
 * Copies x into channels k0 .. k0+C of y. x [N,C,H,W] -> y [N,kTotal,H,W].
 *
 * One dispatch a part: the recorder's `into` names the whole. Other channels are left as they are.
 */
export const concat = kernel({
  name: 'concat',
  reads: { x: 'N C H W' },
  results: { y: 'N KT H W' },
  derive: ({ C }, { k0 = 0, kTotal = C }: ConcatOptions) => {
    checkChannels('concat', k0, C, kTotal);
    return { K0: k0, KT: kTotal };
  },
  variants: [
    { name: 'direct', code: direct, groups: ({ N, C, H, W }) => groupsFor(N * C * H * W, 64) },
  ],
});

/** Checks that channels k0 .. k0 + count lie within `total`. */
export function checkChannels(kernelName: string, k0: number, count: number, total: number): void {
  const whole = [k0, count, total].every(Number.isInteger);
  if (!whole || k0 < 0 || count < 1 || k0 + count > total) {
    throw new ShapeError(
      `${kernelName}: channels ${k0} .. ${k0 + count} should be whole numbers within the ${total} there are`,
    );
  }
}
