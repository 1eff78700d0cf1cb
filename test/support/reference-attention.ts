/** Attention and its gradient in float64, written from the definition, a head at a time. */
import type { Ndarray } from './gpu.js';

export interface AttentionReference {
  /** [N,HEADS,T,T] each: scores, the sums of their terms' magnitudes, probabilities. */
  readonly s: Float64Array;
  readonly sizes: Float64Array;
  readonly p: Float64Array;
  /** [N,T,D]: the result, and sums of p |v|. */
  readonly y: Float64Array;
  readonly magnitude: Float64Array;
}

/** One element of q (0), k (1) or v (2) in qkv. */
export const third = (qkv: Ndarray, heads: number) => {
  const [, T, row] = qkv.shape;
  const D = row / 3;
  const width = D / heads;
  return (which: number, n: number, h: number, t: number, c: number): number =>
    qkv.data[(n * T + t) * row + which * D + h * width + c];
};

export function attentionReference(qkv: Ndarray, heads: number): AttentionReference {
  const [N, T, row] = qkv.shape;
  const D = row / 3;
  const width = D / heads;
  const of = third(qkv, heads);
  const [s, sizes, p] = [0, 1, 2].map(() => new Float64Array(N * heads * T * T));
  const [y, magnitude] = [new Float64Array(N * T * D), new Float64Array(N * T * D)];
  for (let n = 0; n < N; n++) {
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < T; t++) {
        const at = ((n * heads + h) * T + t) * T;
        for (let u = 0; u < T; u++) {
          for (let c = 0; c < width; c++) {
            const term = (of(0, n, h, t, c) * of(1, n, h, u, c)) / Math.sqrt(width);
            s[at + u] += term;
            sizes[at + u] += Math.abs(term);
          }
        }
        const most = Math.max(...s.subarray(at, at + T));
        let sum = 0;
        for (let u = 0; u < T; u++) sum += Math.exp(s[at + u] - most);
        for (let u = 0; u < T; u++) {
          p[at + u] = Math.exp(s[at + u] - most) / sum;
          for (let c = 0; c < width; c++) {
            const v = of(2, n, h, u, c);
            y[(n * T + t) * D + h * width + c] += p[at + u] * v;
            magnitude[(n * T + t) * D + h * width + c] += p[at + u] * Math.abs(v);
          }
        }
      }
    }
  }
  return { s, sizes, p, y, magnitude };
}

/** dp [N,HEADS,T,T] and dqkv [N,T,3 D] from dy [N,T,D]. */
export function attentionGradients(qkv: Ndarray, dy: ArrayLike<number>, heads: number) {
  const [N, T, row] = qkv.shape;
  const D = row / 3;
  const width = D / heads;
  const of = third(qkv, heads);
  const { p } = attentionReference(qkv, heads);
  const dp = new Float64Array(N * heads * T * T);
  const dqkv = new Float64Array(N * T * row);
  for (let n = 0; n < N; n++) {
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < T; t++) {
        const at = ((n * heads + h) * T + t) * T;
        let mean = 0;
        for (let u = 0; u < T; u++) {
          for (let c = 0; c < width; c++) {
            const g = dy[(n * T + t) * D + h * width + c];
            dp[at + u] += g * of(2, n, h, u, c);
            dqkv[(n * T + u) * row + 2 * D + h * width + c] += g * p[at + u];
          }
          mean += p[at + u] * dp[at + u];
        }
        for (let u = 0; u < T; u++) {
          const ds = (p[at + u] * (dp[at + u] - mean)) / Math.sqrt(width);
          for (let c = 0; c < width; c++) {
            dqkv[(n * T + t) * row + h * width + c] += ds * of(1, n, h, u, c);
            dqkv[(n * T + u) * row + D + h * width + c] += ds * of(0, n, h, t, c);
          }
        }
      }
    }
  }
  return { dp, dqkv };
}
