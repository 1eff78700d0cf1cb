import rows from '../../shaders/fft/fft-rows.wgsl';
import { ShapeError } from '../errors.js';
import { fftConstants, fftFlops, fftVariants } from './fft.js';
import { kernel } from './kernel.js';

/**
 * The spectrum of each row of real maps, its first `columns` frequencies (default all W). x [N,H,W], t = `twiddles(W)` [TW,2] ->
 * y [N,H,V,2], complex numbers as pairs. H and W from 1 to 2048. Throws ShapeError for other sides, another side's table, or `columns` outside 1 to W.
 */
export const fftRows = kernel({
  name: 'fftRows',
  reads: { x: 'N H W', t: 'TW 2' },
  results: { y: 'N H V 2' },
  dtypes: { t: 'f32', y: 'f32' },
  derive: ({ W, TW }, { columns = W }: { readonly columns?: number }) => {
    if (!Number.isInteger(columns) || columns < 1 || columns > W) {
      throw new ShapeError(
        `fftRows: columns is ${columns}, should be a whole number from 1 to W = ${W}`,
      );
    }
    return { V: columns, ...fftConstants('fftRows', W, TW) };
  },
  flops: (sizes) => sizes.N * Math.ceil(sizes.H / 2) * fftFlops(sizes),
  variants: fftVariants(rows, ({ N, H }) => N * Math.ceil(H / 2)),
});
