import direct from '../../shaders/reduce/normalize-rows.wgsl';
import { groupsFor, kernel } from './kernel.js';

export interface NormalizeOptions {
  /** Whether 1/2 is to be 0: stretches by the largest magnitude, (x / max |x| + 1) / 2. */
  readonly signed?: boolean;
  /** Whether what is not finite stays as it is: for maps that are added up, so that the sum tells of it. */
  readonly keepsNonFinite?: boolean;
}

/**
 * Stretches each row to 0 .. 1: (x - least) / (largest - least). x [N,C], range [N,4] (from `rowRange`) -> y [N,C].
 *
 * A constant row gives 0, and so does an element that is not finite, unless it is kept; if `signed`, a row of zeros and what is not finite give 1/2.
 */
export const normalizeRows = kernel({
  name: 'normalizeRows',
  reads: { x: 'N C', range: 'N 4' },
  results: { y: 'N C' },
  dtypes: { range: 'f32' },
  derive: (_sizes, { signed = false, keepsNonFinite = false }: NormalizeOptions) => ({
    SIGNED: signed ? 1 : 0,
    KEEPS_NON_FINITE: keepsNonFinite ? 1 : 0,
  }),
  flops: ({ N, C }) => 3 * N * C,
  variants: [{ name: 'direct', code: direct, groups: ({ N, C }) => groupsFor(N * C, 64) }],
});
