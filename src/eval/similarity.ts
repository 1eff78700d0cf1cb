/**
 * How alike two maps are: Spearman's rank correlation, SSIM, and the likeness of their histograms of oriented gradients.
 *
 * On the CPU in float64: a comparison is of two maps that were read anyway (50,176 numbers at 224 x 224), sorting is most of it, and the
 * whole takes less than reading the maps and far less than making them.
 *
 * None of these ever gives NaN. A map that is the same everywhere, or holds a value that is not finite, shows nothing: with another map
 * it has nothing in common (0 from {@link spearman} and {@link hogSimilarity}), and two that show nothing are alike (1).
 */
import { ShapeError } from '../errors.js';

/** Height and width, pixels. */
export type MapSize = readonly [height: number, width: number];

/**
 * Spearman's rank correlation of two maps, -1..1: Pearson's of the ranks, where equal values share the mean of their ranks.
 *
 * @throws ShapeError if the maps differ in size
 */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkSameSize('spearman', a, b);
  return correlation(averageRanks(a), averageRanks(b));
}

/** Ranks from 1 on; equal values get the mean of theirs. Values that are not finite make all ranks equal. */
export function averageRanks(values: ArrayLike<number>): Float64Array {
  const sorted = Float64Array.from(values).sort();
  const ranks = new Float64Array(values.length);
  const [first, last] = [sorted[0], sorted[sorted.length - 1]];
  if (!Number.isFinite(first) || !Number.isFinite(last)) return ranks;
  for (let i = 0; i < ranks.length; i++) {
    const below = countBelow(sorted, values[i], false);
    const upTo = countBelow(sorted, values[i], true);
    ranks[i] = (below + 1 + upTo) / 2;
  }
  return ranks;
}

/** How many of the sorted values are less than `value`, or with `orEqual` not more. */
function countBelow(sorted: Float64Array, value: number, orEqual: boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value || (orEqual && sorted[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Pearson's correlation. Two lists that are the same everywhere give 1, one of them 0. */
export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  let [meanA, meanB] = [0, 0];
  for (let i = 0; i < n; i++) {
    meanA += a[i] / n;
    meanB += b[i] / n;
  }
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [x, y] = [a[i] - meanA, b[i] - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  const [flatA, flatB] = [isFlat(a), isFlat(b)];
  if (flatA || flatB) return Number(flatA && flatB);
  return aa > 0 && bb > 0 ? Math.min(1, Math.max(-1, ab / Math.sqrt(aa * bb))) : 0;
}

/** Whether a list has one value everywhere. */
function isFlat(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return true;
}

/** How {@link ssim} looks at its maps. */
export interface SsimOptions {
  /** `uniform`: squares of 7 x 7 (the default); `gaussian`: weights of sigma 1.5 in squares of 11 x 11. */
  readonly window?: 'uniform' | 'gaussian';
  /** Length of the range that the values can have; default 1, as finished maps have. */
  readonly range?: number;
}

/**
 * Structural similarity of two maps, -1..1: Z. Wang et al., "Image quality assessment: from error visibility to structural similarity",
 * TIP 2004, equation 13, the mean over all windows that lie inside the map.
 *
 * As scikit-image's `structural_similarity` has it, K1 = 0.01 and K2 = 0.03; with the uniform window its default (variances n / (n - 1)
 * times the window's, of n pixels), with the gaussian one Wang's own setting (`use_sample_covariance=False`, `truncate` 3.5). A constant map has no structure: with another it gives what their means have in common, close to 0.
 *
 * @param size of both maps, at least the window (7 or 11) on either side
 * @returns 0 if one of the maps is not finite, 1 if neither is
 * @throws ShapeError if the maps are not of that size, or smaller than the window
 */
export function ssim(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  size: MapSize,
  { window = 'uniform', range = 1 }: SsimOptions = {},
): number {
  checkSize('ssim', a, b, size);
  const weights = window === 'uniform' ? new Array<number>(7).fill(1 / 7) : gaussianWeights(1.5, 5);
  const [H, W] = size;
  const side = weights.length;
  if (H < side || W < side) {
    throw new ShapeError(`ssim: maps [${size}] should be at least ${side} x ${side}, the window`);
  }
  const [finiteA, finiteB] = [allFinite(a), allFinite(b)];
  if (!finiteA || !finiteB) return Number(!finiteA && !finiteB);
  const mean = (f: (i: number) => number) => windowMeans(f, size, weights);
  const meansA = mean((i) => a[i]);
  const meansB = mean((i) => b[i]);
  const squaresA = mean((i) => a[i] * a[i]);
  const squaresB = mean((i) => b[i] * b[i]);
  const products = mean((i) => a[i] * b[i]);
  const sample = window === 'uniform' ? (side * side) / (side * side - 1) : 1;
  const c1 = (0.01 * range) ** 2;
  const c2 = (0.03 * range) ** 2;
  let sum = 0;
  for (let i = 0; i < products.length; i++) {
    const [ua, ub] = [meansA[i], meansB[i]];
    const varA = sample * (squaresA[i] - ua * ua);
    const varB = sample * (squaresB[i] - ub * ub);
    const both = sample * (products[i] - ua * ub);
    sum += ((2 * ua * ub + c1) * (2 * both + c2)) / ((ua * ua + ub * ub + c1) * (varA + varB + c2));
  }
  return sum / products.length;
}

/** Weights of a gaussian, 2 `radius` + 1 of them, that add up to 1. */
function gaussianWeights(sigma: number, radius: number): number[] {
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)),
  );
  const sum = weights.reduce((s, w) => s + w);
  return weights.map((w) => w / sum);
}

/** Weighted means over every window that lies inside: along the rows, then down the columns. */
function windowMeans(
  value: (i: number) => number,
  [H, W]: MapSize,
  weights: readonly number[],
): Float64Array {
  const side = weights.length;
  const [h, w] = [H - side + 1, W - side + 1];
  const rows = new Float64Array(H * w);
  const line = new Float64Array(W);
  for (let y = 0; y < H; y++) {
    for (let x = 0; x < W; x++) line[x] = value(y * W + x);
    for (let x = 0; x < w; x++) {
      let sum = 0;
      for (let k = 0; k < side; k++) sum += weights[k] * line[x + k];
      rows[y * w + x] = sum;
    }
  }
  const means = new Float64Array(h * w);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      let sum = 0;
      for (let k = 0; k < side; k++) sum += weights[k] * rows[(y + k) * w + x];
      means[y * w + x] = sum;
    }
  }
  return means;
}

/**
 * Pearson's correlation of two maps' histograms of oriented gradients ({@link hog}), -1..1: the third measure of J. Adebayo et al.,
 * "Sanity Checks for Saliency Maps", NeurIPS 2018, section 3, with cells of 16 pixels at 224 x 224.
 *
 * @param cell see {@link hog}
 * @throws ShapeError if the maps are not of that size
 */
export function hogSimilarity(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  size: MapSize,
  cell?: number,
): number {
  checkSize('hogSimilarity', a, b, size);
  return correlation(hog(a, size, cell), hog(b, size, cell));
}

/**
 * Histogram of oriented gradients: N. Dalal and B. Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005, as
 * scikit-image's `hog` has it: 9 unsigned orientations, gradients as differences of the two neighbours (0 on the border), no interpolation
 * between bins, overlapping blocks of 3 x 3 cells, each normalised by L2-Hys (clipped at 0.2). Pixels beyond the last whole cell are left out.
 *
 * @param cell side of a cell, pixels; default a 14th of the shorter side: 16 at 224
 * @returns blocks x 3 x 3 x 9 numbers in 0..1; all 0 for a map that is constant or not finite
 * @throws ShapeError if the map is not of that size, or a cell does not fit in
 */
export function hog(
  map: ArrayLike<number>,
  size: MapSize,
  cell = Math.max(1, Math.round(Math.min(...size) / 14)),
): Float64Array {
  checkSize('hog', map, map, size);
  const [H, W] = size;
  const [rows, columns] = [Math.floor(H / cell), Math.floor(W / cell)];
  if (!Number.isInteger(cell) || cell < 1 || rows < 1 || columns < 1) {
    throw new ShapeError(`hog: cells of ${cell} pixels do not fit into a map [${size}]`);
  }
  const histograms = orientations(map, size, cell, rows, columns);
  const [high, wide] = [Math.min(3, rows), Math.min(3, columns)];
  const blockSize = high * wide * bins;
  const result = new Float64Array((rows - high + 1) * (columns - wide + 1) * blockSize);
  let at = 0;
  for (let y = 0; y + high <= rows; y++) {
    for (let x = 0; x + wide <= columns; x++) {
      const block = result.subarray(at, at + blockSize);
      for (let r = 0; r < high; r++) {
        const from = ((y + r) * columns + x) * bins;
        block.set(histograms.subarray(from, from + wide * bins), r * wide * bins);
      }
      normalizeBlock(block, Number.POSITIVE_INFINITY);
      normalizeBlock(block, 0.2);
      at += blockSize;
    }
  }
  return result;
}

const bins = 9;

/** Mean gradient magnitude by orientation in each cell, [rows, columns, 9]. */
function orientations(
  map: ArrayLike<number>,
  [H, W]: MapSize,
  cell: number,
  rows: number,
  columns: number,
): Float64Array {
  const histograms = new Float64Array(rows * columns * bins);
  if (!allFinite(map)) return histograms;
  for (let y = 0; y < rows * cell; y++) {
    for (let x = 0; x < columns * cell; x++) {
      const i = y * W + x;
      const dy = y > 0 && y < H - 1 ? map[i + W] - map[i - W] : 0;
      const dx = x > 0 && x < W - 1 ? map[i + 1] - map[i - 1] : 0;
      const turn = Math.atan2(dy, dx) / Math.PI; // half turns, -1..1
      const bin = Math.floor(bins * (turn - Math.floor(turn)));
      const place = Math.floor(y / cell) * columns + Math.floor(x / cell);
      // A hair below half a turn rounds up to one.
      histograms[place * bins + Math.min(bin, bins - 1)] += Math.hypot(dx, dy) / (cell * cell);
    }
  }
  return histograms;
}

/** Divides by the length, in place, of what is left of each value below `most`. */
function normalizeBlock(block: Float64Array, most: number): void {
  let sum = 0;
  for (let i = 0; i < block.length; i++) {
    block[i] = Math.min(block[i], most);
    sum += block[i] * block[i];
  }
  const length = Math.sqrt(sum + 1e-10); // scikit-image's epsilon, 1e-5 squared
  for (let i = 0; i < block.length; i++) block[i] /= length;
}

/** Whether every value is finite. */
function allFinite(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

function checkSameSize(name: string, a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length !== b.length) {
    throw new ShapeError(
      `${name}: maps of ${a.length} and of ${b.length} pixels, should be of one size`,
    );
  }
}

function checkSize(name: string, a: ArrayLike<number>, b: ArrayLike<number>, size: MapSize): void {
  checkSameSize(name, a, b);
  if (a.length !== size[0] * size[1]) {
    throw new ShapeError(`${name}: maps of ${a.length} pixels, should be [${size}]`);
  }
}
