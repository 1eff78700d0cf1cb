/**
 * Sizes that do not change which variant is best: what an epilogue does, and which part of a larger tensor is read or written. Pooling is not among them:
 * not every variant can.
 */
const beside: ReadonlySet<string> = new Set([
  'ACT',
  'HAS_B',
  'HAS_R',
  'ACCUMULATE',
  'C0',
  'CT',
  'K0',
  'KT',
  'OP',
  'OQ',
]);

/** Where elements of a matrix lie: `A_ROW`, `Y_FIRST`. Follows from the sizes. */
const indexArithmetic = /^[A-Z]_/;

/** Sizes below it keep their value: filters, strides, small batches, switches. */
const smallest = 8;

/**
 * The class of shapes that share a choice of variant, as text: `C=64,CG=64,DH=1,...`.
 *
 * The sizes and constants of a plan in alphabetical order, but for those of the epilogue, fractions (an epsilon, a scale) and index
 * arithmetic. Numbers from 8 on are rounded to the nearest power of two by their logarithm, smaller ones kept: a batch of 13 is of the class
 * of 16, a stride of 3 stays 3.
 */
export function shapeClass(sizes: Readonly<Record<string, number>>): string {
  return Object.keys(sizes)
    .filter((name) => Number.isInteger(sizes[name]) && !beside.has(name))
    .filter((name) => !indexArithmetic.test(name))
    .sort()
    .map((name) => `${name}=${rounded(sizes[name])}`)
    .join();
}

const rounded = (size: number): number =>
  size >= smallest ? 2 ** Math.round(Math.log2(size)) : size;
