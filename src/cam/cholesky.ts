import { ShapeError } from '../errors.js';

/**
 * Solves A X = B for a symmetric positive definite A, in float64, in place: B becomes X, the lower half of A its Cholesky factor.
 *
 * A [n,n] and B [n,columns], row-major; only A's lower half is read.
 *
 * @throws ShapeError, beginning with `who`, if A is not positive definite within rounding.
 */
export function choleskySolve(
  who: string,
  A: Float64Array,
  B: Float64Array,
  n: number,
  columns: number,
): void {
  for (let j = 0; j < n; j++) {
    const diagonal = A[j * n + j];
    for (let i = j; i < n; i++) {
      let sum = A[i * n + j];
      for (let k = 0; k < j; k++) sum -= A[i * n + k] * A[j * n + k];
      if (i > j) A[i * n + j] = sum / A[j * n + j];
      // What is left of a pivot that should be 0 is rounding, of about n 2^-53 of it.
      else if (sum > diagonal * n * 2 ** -46) A[j * n + j] = Math.sqrt(sum);
      else {
        throw new ShapeError(
          `${who}: the samples do not tell switch ${j} from others: use more samples`,
        );
      }
    }
  }
  const subtract = (row: number, factor: number, from: number) => {
    for (let c = 0; c < columns; c++) B[row * columns + c] -= factor * B[from * columns + c];
  };
  const divide = (row: number) => {
    for (let c = 0; c < columns; c++) B[row * columns + c] /= A[row * n + row];
  };
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtract(i, A[i * n + k], k);
    divide(i);
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) subtract(i, A[k * n + i], k);
    divide(i);
  }
}
