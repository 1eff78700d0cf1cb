/**
 * Random numbers that are the same on every engine: integer hashes only, no Math.random, no sin or exp
 * (whose last bits differ between engines).
 */

/** Mixes 32 bits so that each bit of the result depends on every bit of `value`; a bijection of 0..2^32-1. */
export function hash32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A seeded stream of random numbers; the same seed gives the same stream everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = hash32(seed ^ 0x5bd1e995);
  }

  /** The next 32 bits, 0..2^32-1. */
  bits(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    return hash32(this.#state);
  }

  /** A number in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * (this.bits() / 4294967296);
  }

  /** A whole number in 0..count-1. */
  below(count: number): number {
    return Math.floor(this.between(0, count));
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.between(0, 1) < probability;
  }

  /** One of `items`, all equally likely. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  /** `items` in random order, as a new array. */
  shuffled<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  }
}

/** Smooth noise in 0..1 over the plane, one random height for each whole (x, y), interpolated between them. */
export function valueNoise(seed: number, x: number, y: number): number {
  const column = Math.floor(x);
  const row = Math.floor(y);
  const u = smooth(x - column);
  const v = smooth(y - row);
  const top = mix(height(seed, column, row), height(seed, column + 1, row), u);
  const bottom = mix(height(seed, column, row + 1), height(seed, column + 1, row + 1), u);
  return mix(top, bottom, v);
}

/** `a` at t = 0, `b` at t = 1. */
export const mix = (a: number, b: number, t: number) => a + (b - a) * t;

/** 0 at t = 0, 1 at t = 1, flat at both ends. */
export const smooth = (t: number) => t * t * (3 - 2 * t);

/** `value` held inside low..high. */
export const clamp = (value: number, low = 0, high = 1) => Math.min(Math.max(value, low), high);

const height = (seed: number, column: number, row: number) =>
  hash32(seed ^ Math.imul(column, 0x27d4eb2f) ^ Math.imul(row, 0x165667b1)) / 4294967296;
