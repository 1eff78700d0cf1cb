import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.js';
import { hog, hogSimilarity, spearman, ssim } from '../../src/eval/similarity.js';
import { goldenDir, hasFolder, readJson, readTensors } from '../support/folders.js';

/** Numbers in 0..1 by a formula. */
const noise = (size: number, seed: number) =>
  Float32Array.from({ length: size }, (_, i) => {
    const v = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453;
    return v - Math.floor(v);
  });

const filled = (size: number, value: number) => new Float32Array(size).fill(value);

interface GoldenPair {
  readonly image: string;
  readonly maps: readonly [string, string];
  readonly spearman: number;
  readonly ssim_win7: number;
  readonly ssim_gauss: number;
}

describe.skipIf(!hasFolder(goldenDir))('as scipy and scikit-image have it', () => {
  const { similarity } = readJson<{ similarity: GoldenPair[] }>(join(goldenDir, 'eval/eval.json'));
  const tensors = readTensors(join(goldenDir, 'eval/eval.safetensors'));

  test.each(similarity)('$image', (golden) => {
    const [a, b] = golden.maps.map((name) => tensors(`${golden.image[0]}.${name}.map`)!.data);
    const size = [224, 224] as const;
    expect(spearman(a, b)).toBeCloseTo(golden.spearman, 12);
    expect(ssim(a, b, size)).toBeCloseTo(golden.ssim_win7, 12);
    expect(ssim(a, b, size, { window: 'gaussian' })).toBeCloseTo(golden.ssim_gauss, 10);
  });
});

describe('spearman', () => {
  test('is 1 for any rising function, -1 for a falling one', () => {
    const a = noise(50, 1);
    expect(
      spearman(
        a,
        a.map((v) => v ** 3),
      ),
    ).toBeCloseTo(1, 12);
    expect(
      spearman(
        a,
        a.map((v) => -Math.exp(v)),
      ),
    ).toBeCloseTo(-1, 12);
  });

  test('gives equal values the mean of their ranks', () => {
    // Ranks 1, 2.5, 2.5, 4 and 2, 1, 3.5, 3.5.
    expect(spearman([0, 3, 3, 5], [2, 1, 7, 7])).toBeCloseTo(2.25 / 4.5, 12);
    expect(spearman([0, 3, 3, 5], [-0, 3, 3, 5])).toBeCloseTo(1, 12);
    expect(spearman([0, -0, 1], [1, 1, 2])).toBeCloseTo(1, 12);
  });

  test('of a map that shows nothing is 0, of two 1', () => {
    const a = noise(9, 1);
    for (const nothing of [
      filled(9, 0),
      filled(9, 0.1),
      a.with(3, Number.NaN),
      a.with(3, Infinity),
    ]) {
      expect(spearman(a, nothing)).toBe(0);
      expect(spearman(nothing, a)).toBe(0);
      expect(spearman(nothing, filled(9, 1))).toBe(1);
    }
  });

  test('refuses maps of two sizes', () => {
    expect(() => spearman([1, 2], [1, 2, 3])).toThrow(ShapeError);
  });
});

describe('ssim', () => {
  const size = [12, 13] as const;

  /** Equation 13 window by window. */
  function byDefinition(
    a: ArrayLike<number>,
    b: ArrayLike<number>,
    weights: number[],
    norm: number,
  ) {
    const [side, [H, W]] = [weights.length, size];
    const values: number[] = [];
    for (let y = 0; y + side <= H; y++) {
      for (let x = 0; x + side <= W; x++) {
        const mean = (f: (i: number) => number) => {
          let sum = 0;
          for (let j = 0; j < side; j++)
            for (let i = 0; i < side; i++) sum += weights[j] * weights[i] * f((y + j) * W + x + i);
          return sum;
        };
        const [ua, ub] = [mean((i) => a[i]), mean((i) => b[i])];
        const va = norm * mean((i) => (a[i] - ua) ** 2);
        const vb = norm * mean((i) => (b[i] - ub) ** 2);
        const vab = norm * mean((i) => (a[i] - ua) * (b[i] - ub));
        values.push(
          ((2 * ua * ub + 1e-4) * (2 * vab + 9e-4)) /
            ((ua ** 2 + ub ** 2 + 1e-4) * (va + vb + 9e-4)),
        );
      }
    }
    return values.reduce((s, v) => s + v, 0) / values.length;
  }

  test('is its definition, for either window', () => {
    const [a, b] = [noise(156, 1), noise(156, 2)];
    const gauss = Array.from({ length: 11 }, (_, i) => Math.exp(-((i - 5) ** 2) / 4.5));
    const sum = gauss.reduce((s, w) => s + w);
    expect(ssim(a, b, size)).toBeCloseTo(byDefinition(a, b, new Array(7).fill(1 / 7), 49 / 48), 10);
    const weights = gauss.map((w) => w / sum);
    expect(ssim(a, b, size, { window: 'gaussian' })).toBeCloseTo(
      byDefinition(a, b, weights, 1),
      10,
    );
  });

  test('is 1 with itself, symmetric, and scales with the range', () => {
    const [a, b] = [noise(156, 1), noise(156, 2)];
    expect(ssim(a, a, size)).toBeCloseTo(1, 12);
    expect(ssim(a, b, size)).toBeCloseTo(ssim(b, a, size), 12);
    const tenfold = [a, b].map((m) => m.map((v) => 256 * v));
    expect(ssim(tenfold[0], tenfold[1], size, { range: 256 })).toBeCloseTo(ssim(a, b, size), 6);
  });

  test('of maps that show nothing is a number', () => {
    const a = noise(156, 1);
    expect(ssim(filled(156, 0), filled(156, 0), size)).toBe(1);
    expect(Math.abs(ssim(a, filled(156, 0), size))).toBeLessThan(0.01);
    expect(ssim(a, a.with(0, Number.NaN), size)).toBe(0);
  });

  test('refuses maps of another size, or smaller than the window', () => {
    expect(() => ssim(noise(156, 1), noise(155, 1), size)).toThrow(ShapeError);
    expect(() => ssim(noise(155, 1), noise(155, 1), size)).toThrow(ShapeError);
    expect(() => ssim(noise(42, 1), noise(42, 1), [6, 7])).toThrow(/at least 7 x 7/);
    expect(() => ssim(noise(100, 1), noise(100, 1), [10, 10], { window: 'gaussian' })).toThrow(
      /at least 11 x 11/,
    );
  });
});

describe('hog', () => {
  /** A plane that rises in one direction, 42 x 42. */
  const plane = (dx: number, dy: number) =>
    Float32Array.from({ length: 42 * 42 }, (_, i) => dx * (i % 42) + dy * Math.floor(i / 42));

  test.each([
    [1, 0, 0],
    [-1, 0, 0],
    [0, 2, 4],
    [1, 1, 2],
    [-1, 1, 6],
    [1, -1, 6],
  ])('a plane that rises by (%j, %j) has one orientation: %j of 9', (dx, dy, bin) => {
    const features = hog(plane(dx, dy), [42, 42]);
    expect(features).toHaveLength(12 * 12 * 81);
    // The block in the middle, away from the border: nine equal cells, 1/3 each after clipping and normalising again.
    const middle = features.slice((6 * 12 + 6) * 81, (6 * 12 + 7) * 81);
    middle.forEach((v, i) => {
      expect(v).toBeCloseTo(i % 9 === bin ? 1 / 3 : 0, 5);
    });
  });

  test('adds up magnitudes cell by cell, sees no gradient across the border, and clips what stands out', () => {
    // One block of 3 x 3 cells of 3 pixels; a ramp along the top row, nothing below.
    const map = Float32Array.from({ length: 81 }, (_, i) => (i < 9 ? i : 0));
    // Along the row 2 each but at its ends; in the row below, straight up, the ramp's own values.
    const sums = [
      [4, 3],
      [6, 12],
      [4, 21],
    ];
    const length = (values: number[]) => Math.hypot(...values);
    const clipped = sums.map((cell) => cell.map((v) => Math.min(0.2, v / length(sums.flat()))));
    const features = hog(map, [9, 9], 3);
    expect(features).toHaveLength(81);
    features.forEach((v, i) => {
      const [cell, bin] = [Math.floor(i / 9), i % 9];
      const at = [0, 4].indexOf(bin);
      const expected = cell < 3 && at >= 0 ? clipped[cell][at] / length(clipped.flat()) : 0;
      expect(v).toBeCloseTo(expected, 6);
    });
  });

  test('takes cells of 16 pixels at 224, and whole cells only', () => {
    const map = noise(224 * 224, 3);
    expect(Array.from(hog(map, [224, 224]))).toEqual(Array.from(hog(map, [224, 224], 16)));
    expect(hog(noise(20 * 26, 1), [20, 26], 5)).toHaveLength(2 * 3 * 81);
    expect(hog(noise(4, 1), [2, 2], 1)).toHaveLength(36);
    expect(() => hog(noise(4, 1), [2, 2], 3)).toThrow(ShapeError);
  });

  test('similarity: 1 with itself and at another contrast, low with another, a number for maps that show nothing', () => {
    const size = [28, 28] as const;
    const [a, b] = [noise(784, 1), noise(784, 2)];
    expect(hogSimilarity(a, a, size)).toBeCloseTo(1, 12);
    expect(
      hogSimilarity(
        a,
        a.map((v) => 0.25 * v),
        size,
      ),
    ).toBeCloseTo(1, 6);
    expect(Math.abs(hogSimilarity(a, b, size))).toBeLessThan(0.3);
    expect(hogSimilarity(a, filled(784, 0.5), size)).toBe(0);
    expect(hogSimilarity(a, a.with(3, Number.NaN), size)).toBe(0);
    expect(hogSimilarity(filled(784, 0), filled(784, 1), size)).toBe(1);
    expect(() => hogSimilarity(a, b.slice(1), size)).toThrow(ShapeError);
  });
});
