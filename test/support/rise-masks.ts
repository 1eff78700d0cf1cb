import { fnv1a, mix } from './hash-weights.js';

/** RISE's masks by their definition, in float64. */

const uniform = (name: string, i: number) => mix((i + fnv1a(name)) >>> 0) / 2 ** 32;

/** The cells and the shift of mask `n`, by the golden folder's README: s x s cells, each 1 with probability p. */
export function gridOf(
  key: string,
  n: number,
  s: number,
  p: number,
  [P, Q]: readonly [number, number],
) {
  const cells = Array.from({ length: s * s }, (_, i) =>
    uniform(`${key}:grid`, n * s * s + i) < p ? 1 : 0,
  );
  const shift = [P, Q].map((side, axis) =>
    Math.floor(uniform(`${key}:shift`, 2 * n + axis) * Math.ceil(side / s)),
  );
  return { cells, shift };
}

/** The mask [P,Q] of a grid and a shift. */
export function maskOf(
  cells: ArrayLike<number>,
  shift: ArrayLike<number>,
  s: number,
  [P, Q]: readonly [number, number],
) {
  const mirrored = (c: number) => (s === 1 ? 0 : c < 0 ? -c : c >= s ? 2 * (s - 1) - c : c);
  const position = (o: number, side: number) => {
    const q = ((o + 0.5) * s) / ((s + 1) * Math.ceil(side / s)) - 0.5;
    const low = Math.floor(q);
    return { low: mirrored(low), high: mirrored(low + 1), t: q - low };
  };
  return Float64Array.from({ length: P * Q }, (_, i) => {
    const row = position(Math.floor(i / Q) + shift[0], P);
    const column = position((i % Q) + shift[1], Q);
    const along = (r: number) =>
      (1 - column.t) * cells[r * s + column.low] + column.t * cells[r * s + column.high];
    return (1 - row.t) * along(row.low) + row.t * along(row.high);
  });
}
