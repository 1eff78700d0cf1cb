import direct from '../../shaders/activation/relu.wgsl';
import { groupsFor, kernel } from './kernel.js';

export interface ReluOptions {
  /** Whether -infinity stays, to be told of later. */
  readonly keepsInfinite?: boolean;
}

/** Negative elements become 0. x [*] -> y [*]. */
export const relu = kernel({
  name: 'relu',
  reads: { x: '*' },
  results: { y: '*' },
  derive: (_sizes, { keepsInfinite = false }: ReluOptions) => ({
    KEEPS_INFINITE: keepsInfinite ? 1 : 0,
  }),
  flops: ({ SIZE }) => SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});
