import rows from '../../shaders/fft/fft-rows-inverse.wgsl';
import { ShapeError } from '../errors.js';
import { fftConstants, fftFlops, fftVariants } from './fft.js';
import { kernel } from './kernel.js';

/**
 * Real maps from the spectra of their rows, with the factor 1/(H W) of the whole inverse. x [N,H,V,2], t = `twiddles(width)` [TW,2] ->
 * y [N,H,W], W = `width` (default V). Where V < W, the rest of a spectrum is the conjugate of what it mirrors, and 0 where that is not there
 * either. Of a spectrum that does not mirror itself, y is the inverse's real part. Throws ShapeError for a side outside 1 to 2048, a
 * width below V or another side's table.
 */
export const fftRowsInverse = kernel({
  name: 'fftRowsInverse',
  reads: { x: 'N H V 2', t: 'TW 2' },
  results: { y: 'N H W' },
  dtypes: { x: 'f32', t: 'f32' },
  derive: ({ V, TW }, { width = V }: { readonly width?: number }) => {
    if (width < V) {
      throw new ShapeError(
        `fftRowsInverse: width is ${width}, should be at least V = ${V}: the width of the map whose spectrum x is`,
      );
    }
    return { W: width, ...fftConstants('fftRowsInverse', width, TW) };
  },
  flops: (sizes) => sizes.N * Math.ceil(sizes.H / 2) * fftFlops(sizes),
  variants: fftVariants(rows, ({ N, H }) => N * Math.ceil(H / 2)),
});
