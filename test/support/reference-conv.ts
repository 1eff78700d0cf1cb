/** Gradients of convolution and of the linear layer in float64: the forward sums, scattered. */
import type { Ndarray } from './gpu.js';
import type { Conv2dCase, Reference } from './reference.js';

/** Calls `visit` with the flat positions in x, w and y of each product that conv2d sums. */
function eachProduct(
  [N, C, H, W]: readonly number[],
  [K, CG, R, S]: readonly number[],
  c: Conv2dCase,
  visit: (x: number, w: number, y: number) => void,
): readonly [number, number] {
  const [sh, sw] = c.stride ?? [1, 1];
  const [ph, pw] = c.pad ?? [0, 0];
  const [dh, dw] = c.dilation ?? [1, 1];
  const perGroup = K / (c.groups ?? 1);
  const P = Math.floor((H + 2 * ph - dh * (R - 1) - 1) / sh) + 1;
  const Q = Math.floor((W + 2 * pw - dw * (S - 1) - 1) / sw) + 1;
  for (let n = 0; n < N; n++)
    for (let k = 0; k < K; k++)
      for (let p = 0; p < P; p++)
        for (let q = 0; q < Q; q++)
          for (let cg = 0; cg < CG; cg++)
            for (let r = 0; r < R; r++)
              for (let s = 0; s < S; s++) {
                const h = p * sh - ph + r * dh;
                const v = q * sw - pw + s * dw;
                if (h < 0 || h >= H || v < 0 || v >= W) continue;
                const channel = Math.floor(k / perGroup) * CG + cg;
                visit(
                  ((n * C + channel) * H + h) * W + v,
                  ((k * CG + cg) * R + r) * S + s,
                  ((n * K + k) * P + p) * Q + q,
                );
              }
  return [P, Q];
}

/** Height and width of conv2d's result. */
export const convOutput = (
  x: readonly number[],
  w: readonly number[],
  c: Conv2dCase,
): readonly [number, number] => eachProduct([0, ...x.slice(1)], w, c, () => {});

const empty = (shape: readonly number[], terms: number): Reference => {
  const count = shape.reduce((a, b) => a * b, 1);
  return { y: new Float64Array(count), size: new Float64Array(count), terms };
};

/** dL/dx of conv2d, given dL/dy. */
export function conv2dBackwardInput(
  dy: Ndarray,
  w: Ndarray,
  shape: readonly number[],
  c: Conv2dCase,
): Reference {
  const out = empty(shape, (w.shape[0] / (c.groups ?? 1)) * w.shape[2] * w.shape[3] + 1);
  eachProduct(shape, w.shape, c, (i, j, o) => {
    const term = w.data[j] * dy.data[o];
    out.y[i] += term;
    out.size[i] += Math.abs(term);
  });
  return out;
}

/** dL/dw of conv2d, given dL/dy. */
export function conv2dBackwardWeight(
  x: Ndarray,
  dy: Ndarray,
  shape: readonly number[],
  c: Conv2dCase,
): Reference {
  const [N, , P, Q] = dy.shape;
  const out = empty(shape, N * P * Q);
  eachProduct(x.shape, shape, c, (i, j, o) => {
    const term = x.data[i] * dy.data[o];
    out.y[j] += term;
    out.size[j] += Math.abs(term);
  });
  return out;
}

/** y[i,j] = sum over t of a[i,t] b[t,j], each matrix given by its element. */
export function matrixProduct(
  rows: number,
  terms: number,
  columns: number,
  a: (i: number, t: number) => number,
  b: (t: number, j: number) => number,
): Reference {
  const out = empty([rows, columns], terms);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      for (let t = 0; t < terms; t++) {
        const term = a(i, t) * b(t, j);
        out.y[i * columns + j] += term;
        out.size[i * columns + j] += Math.abs(term);
      }
  return out;
}
