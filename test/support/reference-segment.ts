/** Superpixels by their definitions, in float64, one pixel after the other. */

type Numbers = ArrayLike<number>;
/** Height and width. */
export type Sides = readonly [number, number];

const pixelOf = (x: Numbers, size: number, n: number, p: number): number[] =>
  [0, 1, 2].map((c) => x[(n * 3 + c) * size + p]);

/** CIE Lab with the white of D65 of images [N,3,H,W] of 0 .. 1: the standard's formulas. */
export function labOf(rgb: Numbers, N: number, size: number): Float64Array {
  const lab = new Float64Array(N * 3 * size);
  const toXyz = [
    [0.412453, 0.35758, 0.180423],
    [0.212671, 0.71516, 0.072169],
    [0.019334, 0.119193, 0.950227],
  ];
  const white = [0.95047, 1, 1.08883];
  for (let n = 0; n < N; n++) {
    for (let p = 0; p < size; p++) {
      const light = pixelOf(rgb, size, n, p)
        .map((v) => Math.min(1, Math.max(0, v)))
        .map((v) => (v > 0.04045 ? ((v + 0.055) / 1.055) ** 2.4 : v / 12.92));
      const [fx, fy, fz] = toXyz
        .map((row, i) => row.reduce((sum, w, c) => sum + w * light[c], 0) / white[i])
        .map((t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116));
      lab[n * 3 * size + p] = 116 * fy - 16;
      lab[(n * 3 + 1) * size + p] = 500 * (fx - fy);
      lab[(n * 3 + 2) * size + p] = 200 * (fy - fz);
    }
  }
  return lab;
}

/** The grid's cell of each pixel of an image, as [row, column]. */
const cellsOf = ([H, W]: Sides, [rows, columns]: Sides) =>
  Array.from({ length: H * W }, (_, p) => [
    Math.floor((Math.floor(p / W) * rows) / H),
    Math.floor(((p % W) * columns) / W),
  ]);

/** Each pixel's label while it is its cell's. */
export function gridLabels(N: number, sides: Sides, grid: Sides): number[] {
  const one = cellsOf(sides, grid).map(([r, c]) => r * grid[1] + c);
  return Array.from({ length: N }, () => one).flat();
}

/** The nearest centre of each pixel in the 3 x 3 cells around it, and by how much the second is farther, as a share of the distance's terms. */
export function assigned(
  lab: Numbers,
  centres: Numbers,
  N: number,
  sides: Sides,
  grid: Sides,
  compactness: number,
): { labels: number[]; margin: number[] } {
  const [[H, W], [rows, columns]] = [sides, grid];
  const [size, S] = [H * W, rows * columns];
  const cells = cellsOf(sides, grid);
  const step = Math.sqrt(size / S);
  const labels: number[] = [];
  const margin: number[] = [];
  for (let n = 0; n < N; n++) {
    for (let p = 0; p < size; p++) {
      const colour = pixelOf(lab, size, n, p);
      const at = [...colour, Math.floor(p / W), p % W];
      const near: { s: number; d: number }[] = [];
      for (let s = 0; s < S; s++) {
        const cell = [Math.floor(s / columns), s % columns];
        if (cell.some((v, axis) => Math.abs(v - cells[p][axis]) > 1)) continue;
        const squares = at.map((v, j) => (v - centres[(n * S + s) * 5 + j]) ** 2);
        const [l, a, b, y, x] = squares;
        near.push({ s, d: l + a + b + (compactness / step) ** 2 * (y + x) });
      }
      near.sort((one, two) => one.d - two.d || one.s - two.s);
      labels.push(near[0].s);
      margin.push(near.length > 1 ? near[1].d - near[0].d : Number.POSITIVE_INFINITY);
    }
  }
  return { labels, margin };
}

/** Mean colour and place of the pixels of each label; the given centre where there are none. */
export function centresOf(
  lab: Numbers,
  labels: Numbers,
  N: number,
  [H, W]: Sides,
  S: number,
  before?: Numbers,
): Float64Array {
  const size = H * W;
  const centres = new Float64Array(N * S * 5);
  for (let n = 0; n < N; n++) {
    for (let s = 0; s < S; s++) {
      const pixels: number[][] = [];
      for (let p = 0; p < size; p++) {
        if (labels[n * size + p] !== s) continue;
        pixels.push([...pixelOf(lab, size, n, p), Math.floor(p / W), p % W]);
      }
      for (let j = 0; j < 5; j++) {
        const i = (n * S + s) * 5 + j;
        centres[i] = pixels.length
          ? pixels.reduce((sum, pixel) => sum + pixel[j], 0) / pixels.length
          : before![i];
      }
    }
  }
  return centres;
}

/** One round of tidying: the most frequent label within `radius` rows and columns; on a tie the own, else the lowest. */
export function tidied(labels: Numbers, N: number, [H, W]: Sides, radius = 2): number[] {
  return Array.from({ length: N * H * W }, (_, i) => {
    const [n, y, x] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W];
    const votes = new Map<number, number>();
    for (let r = y - radius; r <= y + radius; r++) {
      for (let c = x - radius; c <= x + radius; c++) {
        if (r < 0 || r >= H || c < 0 || c >= W) continue;
        const label = labels[(n * H + r) * W + c];
        votes.set(label, (votes.get(label) ?? 0) + 1);
      }
    }
    const own = (label: number) => Number(label !== labels[i]);
    const [[winner]] = [...votes].sort(
      ([one, a], [two, b]) => b - a || own(one) - own(two) || one - two,
    );
    return winner;
  });
}

/** All of SLIC on images in Lab. */
export function slicLabels(
  lab: Numbers,
  N: number,
  sides: Sides,
  grid: Sides,
  { compactness, iterations }: { compactness: number; iterations: number },
): number[] {
  const S = grid[0] * grid[1];
  let labels = gridLabels(N, sides, grid);
  let centres: Float64Array | undefined;
  for (let round = 0; round < iterations; round++) {
    centres = centresOf(lab, labels, N, sides, S, centres);
    labels = assigned(lab, centres, N, sides, grid, compactness).labels;
  }
  return tidied(tidied(labels, N, sides), N, sides);
}

const distanceOf = (one: readonly number[], two: readonly number[], ratio: number) =>
  one.reduce((sum, v, j) => sum + ((j < 3 ? ratio : 1) * (v - two[j])) ** 2, 0);

/** L, a, b, row, column of each pixel of one image. */
const pointsOf = (lab: Numbers, n: number, [H, W]: Sides) =>
  Array.from({ length: H * W }, (_, p) => [...pixelOf(lab, H * W, n, p), Math.floor(p / W), p % W]);

const isNear = (one: readonly number[], two: readonly number[], kernelSize: number) =>
  Math.max(Math.abs(one[3] - two[3]), Math.abs(one[4] - two[4])) <= Math.ceil(3 * kernelSize);

export interface Quickshift {
  readonly kernelSize: number;
  readonly ratio: number;
  readonly maxDist: number;
}

/** Quickshift's density of each pixel. */
export function densityOf(
  lab: Numbers,
  N: number,
  sides: Sides,
  { kernelSize, ratio }: Quickshift,
): number[] {
  return Array.from({ length: N }, (_, n) => {
    const points = pointsOf(lab, n, sides);
    return points.map((one) =>
      points
        .filter((two) => isNear(one, two, kernelSize))
        .reduce(
          (sum, two) => sum + Math.exp(-distanceOf(one, two, ratio) / 2 / kernelSize ** 2),
          0,
        ),
    );
  }).flat();
}

/** Each pixel's nearest denser one, or itself; indices within an image. */
export function parentsOf(
  lab: Numbers,
  density: Numbers,
  N: number,
  sides: Sides,
  { kernelSize, ratio, maxDist }: Quickshift,
): number[] {
  const size = sides[0] * sides[1];
  return Array.from({ length: N }, (_, n) => {
    const points = pointsOf(lab, n, sides);
    return points.map((one, p) => {
      const above = points
        .map((two, q) => ({ q, d: distanceOf(one, two, ratio), there: density[n * size + q] }))
        .filter(({ q }) => isNear(one, points[q], kernelSize))
        .filter(
          ({ q, there }) =>
            there > density[n * size + p] || (there === density[n * size + p] && q < p),
        )
        .sort((a, b) => a.d - b.d || a.q - b.q);
      return above.length && Math.sqrt(above[0].d) <= maxDist ? above[0].q : p;
    });
  }).flat();
}

/** The root of each pixel, by walking there. */
export function rootsOf(parents: Numbers, N: number, size: number): number[] {
  return Array.from({ length: N * size }, (_, i) => {
    const first = i - (i % size);
    let p = i % size;
    while (parents[first + p] !== p) p = parents[first + p];
    return p;
  });
}

/** Roots numbered in their order, modulo `most`. */
export function numbered(roots: Numbers, N: number, size: number, most: number): number[] {
  return Array.from({ length: N }, (_, n) => {
    const row = Array.from({ length: size }, (_, p) => roots[n * size + p]);
    const distinct = [...new Set(row)].sort((a, b) => a - b);
    return row.map((root) => distinct.indexOf(root) % most);
  }).flat();
}
