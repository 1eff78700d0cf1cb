/**
 * Pillow's antialiased resampling, which torchvision's `Resize` uses for a PIL image. Output pixel i
 * looks at the source around
 *
 *   centre = start + (i + 0.5) * scale          scale = (end - start) / outSize
 *
 * through a filter stretched by max(scale, 1); the weights are cut at the border and add up to 1.
 */
import { ShapeError } from '../errors.js';

/** A resampling filter: `bilinear` is the triangle, `bicubic` the Keys kernel with a = -0.5. */
export type ResizeFilter = 'bilinear' | 'bicubic';

/** One axis of a separable resampling: output i is the sum over j of `weights[i * count + j] * source[first[i] + j]`. */
export interface ResampleWeights {
  /** First source index of each output [out]; `first[i] + count` may pass the end where the weights are 0. */
  first: Int32Array;
  /** Taps an output has. */
  count: number;
  /** [out, count]; unused taps are 0, and all are 0 for an output in the padding. */
  weights: Float32Array;
}

/** Which part of the source, and which of the outputs, `resampleWeights` covers. */
export interface ResampleWindow {
  /** Source coordinate at the left edge of output 0; 0 by default. Right of `end`, the result is mirrored. */
  start?: number;
  /** Source coordinate at the right edge of the last output; `inSize` by default. */
  end?: number;
  /**
   * Only these outputs (a crop); all by default. Those below 0 or from `outSize` on are padding: weights 0.
   */
  outputs?: { first: number; count: number };
}

const FILTERS: Record<ResizeFilter, { support: number; at: (x: number) => number }> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: keys },
};

function keys(x: number): number {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

/** The taps of output `i` in float64: the first source index and weights that add up to 1. */
function taps(
  i: number,
  inSize: number,
  outSize: number,
  filter: ResizeFilter,
  start: number,
  end: number,
): { first: number; weights: number[] } {
  const scale = (end - start) / outSize;
  const stretch = Math.max(scale, 1);
  const { support, at } = FILTERS[filter];
  const centre = start + (i + 0.5) * scale;
  const reach = support * stretch;
  // As Pillow, a pixel counts when its centre is at most `reach` away, give or take the truncation.
  const first = Math.max(0, Math.trunc(centre - reach + 0.5));
  const last = Math.min(inSize, Math.trunc(centre + reach + 0.5));
  const weights = [];
  for (let j = first; j < last; j++) weights.push(at((j - centre + 0.5) / stretch));
  const sum = weights.reduce((total, w) => total + w, 0);
  return { first, weights: sum === 0 ? weights : weights.map((w) => w / sum) };
}

function checkWindow(inSize: number, outSize: number, low: number, high: number): void {
  if (!(inSize > 0 && outSize > 0 && Number.isInteger(inSize) && Number.isInteger(outSize))) {
    throw new ShapeError(
      `resample: sizes should be whole and above 0, got ${inSize} to ${outSize}`,
    );
  }
  if (!(low >= 0 && high <= inSize && low < high)) {
    throw new ShapeError(
      `resample: window ${low} to ${high} should lie within 0 to ${inSize} and not be empty`,
    );
  }
}

/**
 * The weight table of one axis, resampling the window of `inSize` source pixels to `outSize`: what the
 * sampling kernel reads. Float32 of weights computed in float64. Throws `ShapeError` for an empty window
 * or one that leaves the source.
 *
 * To be within one level of Pillow, sum along x first and round that sum to a whole level in 0..255
 * before summing along y. Bicubic weights overshoot, and Pillow cuts that between its passes: without
 * it photos differ by up to 4 levels, and by 10 where a small one is enlarged.
 */
export function resampleWeights(
  inSize: number,
  outSize: number,
  filter: ResizeFilter,
  { start = 0, end = inSize, outputs = { first: 0, count: outSize } }: ResampleWindow = {},
): ResampleWeights {
  const mirrored = start > end;
  const [low, high] = mirrored ? [end, start] : [start, end];
  checkWindow(inSize, outSize, low, high);
  const rows = Array.from({ length: outputs.count }, (_, k) => {
    const i = outputs.first + k;
    if (i < 0 || i >= outSize) return { first: 0, weights: [] };
    return taps(mirrored ? outSize - 1 - i : i, inSize, outSize, filter, low, high);
  });
  const count = rows.reduce((most, { weights }) => Math.max(most, weights.length), 1);
  const table = new Float32Array(rows.length * count);
  rows.forEach(({ weights }, k) => {
    table.set(weights, k * count);
  });
  return { first: Int32Array.from(rows, ({ first }) => first), count, weights: table };
}

/** Pillow keeps 8-bit weights as integers of this many fraction bits (32 - 8 bits of data - 2 of headroom). */
const PRECISION_BITS = 22;

/**
 * Resizes 8-bit pixels as Pillow does, to the last bit: a horizontal pass, rounded to 8 bits, then a
 * vertical one. The reference for the sampling kernel, on the CPU.
 *
 * `pixels` is [height, width, channels]; `box` is the source window [left, top, right, bottom], all by
 * default. Channels are independent (no premultiplication). Throws `ShapeError` as `resampleWeights` does.
 */
export function resizePixels(
  pixels: ArrayLike<number>,
  { width, height }: { width: number; height: number },
  out: { width: number; height: number },
  filter: ResizeFilter,
  box: readonly [number, number, number, number] = [0, 0, width, height],
): Uint8Array {
  const channels = pixels.length / (width * height);
  if (!Number.isInteger(channels)) {
    throw new ShapeError(`resizePixels: ${pixels.length} bytes do not fill ${width} x ${height}`);
  }
  checkWindow(width, out.width, box[0], box[2]);
  checkWindow(height, out.height, box[1], box[3]);
  const rows = resizeAxis(pixels, [height, width, channels], out.width, filter, box[0], box[2]);
  return resizeAxis(rows, [1, height, out.width * channels], out.height, filter, box[1], box[3]);
}

/** Resamples the middle axis of [outer, size, inner]. */
function resizeAxis(
  source: ArrayLike<number>,
  [outer, size, inner]: [number, number, number],
  outSize: number,
  filter: ResizeFilter,
  start: number,
  end: number,
): Uint8Array {
  const result = new Uint8Array(outer * outSize * inner);
  for (let i = 0; i < outSize; i++) {
    const { first, weights } = taps(i, size, outSize, filter, start, end);
    const fixed = weights.map((w) => Math.trunc(w * 2 ** PRECISION_BITS + (w < 0 ? -0.5 : 0.5)));
    for (let o = 0; o < outer; o++) {
      for (let c = 0; c < inner; c++) {
        let sum = 2 ** (PRECISION_BITS - 1);
        for (let j = 0; j < fixed.length; j++) {
          sum += fixed[j] * source[(o * size + first + j) * inner + c];
        }
        const value = Math.floor(sum / 2 ** PRECISION_BITS);
        result[(o * outSize + i) * inner + c] = Math.min(255, Math.max(0, value));
      }
    }
  }
  return result;
}
