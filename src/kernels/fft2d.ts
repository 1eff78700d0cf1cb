import { ShapeError } from '../errors.js';
import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { twiddles } from './fft.js';
import { fftColumns, fftColumnsFiltered } from './fft-columns.js';
import { fftRows } from './fft-rows.js';
import { fftRowsInverse } from './fft-rows-inverse.js';

/** Tables for the rows and columns of maps of H x W; one where they are the same. */
function tables(r: Recorder, H: number, W: number) {
  const table = (side: number) => {
    const data = twiddles(side);
    return r.constant(data, [data.length / 2, 2]);
  };
  const rows = table(W);
  return { rows, columns: H === W ? rows : table(H) };
}

function sidesOf(name: string, letters: string, { shape }: Value | Tensor) {
  if (shape.length !== letters.split(',').length) {
    throw new ShapeError(`${name}: x [${shape}] should be [${letters}]`);
  }
  return { H: shape[1], W: shape[2] };
}

/**
 * Records the 2-D Fourier transform of real maps, not scaled: two passes. x [N,H,W], sides from 1 to 2048 -> [N,H,V,2], complex numbers as
 * pairs, frequency 0 first. V = `columns`, default W; the first floor(W/2) + 1 hold all there is to know of a real map.
 *
 * @throws ShapeError for other shapes, sides or `columns`.
 */
export function fft2d(
  r: Recorder,
  x: Value | Tensor,
  { columns }: { readonly columns?: number } = {},
): Value {
  const { H, W } = sidesOf('fft2d', 'N,H,W', x);
  const t = tables(r, H, W);
  const rows = r.k(fftRows, { x, t: t.rows }, columns === undefined ? {} : { columns });
  return r.k(fftColumns, { x: rows, t: t.columns });
}

/**
 * Records the inverse of {@link fft2d}, with the factor 1/(H W), and takes its real part: two passes. x [N,H,V,2] -> [N,H,W], W = `width`,
 * default V; columns of the spectrum that are not there are taken from those they mirror, which is right for a real map's spectrum of floor(W/2) + 1 columns.
 *
 * @throws ShapeError for other shapes, sides outside 1 to 2048, or a width below V.
 */
export function inverseFft2d(
  r: Recorder,
  x: Value | Tensor,
  { width }: { readonly width?: number } = {},
): Value {
  const { H, W: V } = sidesOf('inverseFft2d', 'N,H,V,2', x);
  const W = width ?? V;
  const t = tables(r, H, W);
  const columns = r.k(fftColumns, { x, t: t.columns }, { inverse: true });
  return r.k(fftRowsInverse, { x: columns, t: t.rows }, { width: W });
}

/**
 * Records the ideal low-pass filter of real maps: the spectrum's frequencies farther than `cutoff` (D0) from 0 are left out, in three passes.
 * x [N,H,W] -> [N,H,W], sides from 1 to 2048. Only the columns of the spectrum within the cutoff, and of those that mirror each other only one, are ever computed.
 *
 * @throws ShapeError for other shapes or sides, or a cutoff that is negative or no number.
 */
export function lowPass(
  r: Recorder,
  x: Value | Tensor,
  { cutoff = 35 }: { readonly cutoff?: number } = {},
): Value {
  const { H, W } = sidesOf('lowPass', 'N,H,W', x);
  if (!(cutoff >= 0)) {
    throw new ShapeError(`lowPass: cutoff is ${cutoff}, should be a distance of at least 0`);
  }
  const t = tables(r, H, W);
  const columns = Math.floor(Math.min(W / 2, cutoff)) + 1;
  const spectrum = r.k(fftRows, { x, t: t.rows }, { columns: Math.min(columns, W) });
  const kept = r.k(fftColumnsFiltered, { x: spectrum, t: t.columns }, { cutoff, width: W });
  return r.k(fftRowsInverse, { x: kept, t: t.rows }, { width: W });
}
