import columns from '../../shaders/fft/fft-columns.wgsl';
import { ShapeError } from '../errors.js';
import { fftConstants, fftFlops, fftPlan, fftVariants } from './fft.js';
import { kernel, type Sizes } from './kernel.js';

const lines = ({ N, V }: Sizes) => N * V;

/**
 * The transform of each column of complex maps, forward or `inverse` (without the factor 1/(H W), which is `fftRowsInverse`'s).
 * x [N,H,V,2], t = `twiddles(H)` [TH,2] -> y [N,H,V,2]. H from 1 to 2048. Throws ShapeError for another side or another side's table.
 */
export const fftColumns = kernel({
  name: 'fftColumns',
  reads: { x: 'N H V 2', t: 'TH 2' },
  results: { y: 'N H V 2' },
  dtypes: { x: 'f32', t: 'f32', y: 'f32' },
  derive: ({ H, V, TH }, { inverse = false }: { readonly inverse?: boolean }) => ({
    ...fftConstants('fftColumns', H, TH),
    W: V,
    MODE: inverse ? 1 : 0,
    LIMIT: 0,
  }),
  flops: (sizes) => lines(sizes) * fftFlops(sizes),
  variants: fftVariants(columns, lines),
});

/** Options of {@link fftColumnsFiltered}. */
export interface LowPassColumns {
  /** D0: frequencies farther from 0 are left out. At least 0; `Infinity` keeps all. */
  readonly cutoff: number;
  /** Width of the map whose spectrum x is; default V. */
  readonly width?: number;
}

/**
 * Columns forward, through the ideal low-pass filter, and back, in one pass. x [N,H,V,2] of `fftRows`, t = `twiddles(H)` [TH,2] ->
 * y [N,H,V,2] for `fftRowsInverse`. Kept are the frequencies with sqrt(u^2 + v^2) <= `cutoff`, u and v counted from 0 to either side. Throws
 * ShapeError for a side outside 1 to 2048, another side's table, a negative cutoff or a width below V.
 */
export const fftColumnsFiltered = kernel({
  name: 'fftColumnsFiltered',
  reads: { x: 'N H V 2', t: 'TH 2' },
  results: { y: 'N H V 2' },
  dtypes: { x: 'f32', t: 'f32', y: 'f32' },
  derive: ({ H, V, TH }, { cutoff, width = V }: LowPassColumns) => {
    fftPlan(width);
    if (width < V) {
      throw new ShapeError(
        `fftColumnsFiltered: width is ${width}, should be at least V = ${V}: the width of the map whose spectrum x is`,
      );
    }
    return {
      ...fftConstants('fftColumnsFiltered', H, TH),
      W: width,
      MODE: 2,
      LIMIT: squareWithin(cutoff),
    };
  },
  flops: (sizes) => 2 * lines(sizes) * fftFlops(sizes),
  variants: fftVariants(columns, lines),
});

/** The largest whole number whose root is at most `cutoff`: u^2 + v^2 is whole, so the comparison is exact. Throws ShapeError below 0. */
function squareWithin(cutoff: number): number {
  if (!(cutoff >= 0)) {
    throw new ShapeError(
      `fftColumnsFiltered: cutoff is ${cutoff}, should be a distance of at least 0`,
    );
  }
  const largest = 2 ** 22; // two sides of 2048 reach 2 * 1024^2
  const square = Math.min(largest, Math.round(cutoff * cutoff));
  // The product was rounded: the roots of its neighbours decide.
  return [square + 1, square].find((n) => Math.sqrt(n) <= cutoff) ?? square - 1;
}
