import { ShapeError } from '../errors.js';
import { sidesOf } from './pool-shape.js';

/** A whole number from `least` to `most`, or a ShapeError that says where it lies instead. */
export function wholeWithin(
  where: string,
  name: string,
  value: number,
  [least, most]: readonly [number, number],
): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new ShapeError(
      `${where}: ${name} is ${value}, should be a whole number from ${least} to ${most}`,
    );
  }
  return value;
}

/** P, Q and FIRST of a grid of tokens that begins at token `first` of T, by default the one that leaves none behind the grid. */
export function gridWithin(
  where: string,
  T: number,
  grid: readonly [number, number],
  given: number | undefined,
): { P: number; Q: number; FIRST: number } {
  const [P, Q] = sidesOf(where, 'grid', grid);
  const first = given ?? T - P * Q;
  if (!Number.isInteger(first) || first < 0 || first + P * Q > T) {
    throw new ShapeError(
      `${where}: ${P} x ${Q} tokens from token ${first} on, of ${T}: first + rows x columns should be at most ${T}`,
    );
  }
  return { P, Q, FIRST: first };
}
