/** Definitions in float64, slow and obvious, sharing no code with the kernels. */
import type { Ndarray } from './gpu.js';

export interface Reference {
  readonly y: Float64Array;
  /** Sum of the magnitudes of each element's terms. */
  readonly size: Float64Array;
  /** Number of terms of the longest sum. */
  readonly terms: number;
}

export interface Conv2dCase {
  readonly stride?: readonly [number, number];
  readonly pad?: readonly [number, number];
  readonly dilation?: readonly [number, number];
  readonly groups?: number;
}

/** torch.nn.functional.conv2d. */
export function conv2d(x: Ndarray, w: Ndarray, b: Ndarray | undefined, c: Conv2dCase): Reference {
  const [N, C, H, W] = x.shape;
  const [K, CG, R, S] = w.shape;
  const [sh, sw] = c.stride ?? [1, 1];
  const [ph, pw] = c.pad ?? [0, 0];
  const [dh, dw] = c.dilation ?? [1, 1];
  const perGroup = K / (c.groups ?? 1);
  const P = Math.floor((H + 2 * ph - dh * (R - 1) - 1) / sh) + 1;
  const Q = Math.floor((W + 2 * pw - dw * (S - 1) - 1) / sw) + 1;
  const y = new Float64Array(N * K * P * Q);
  const size = new Float64Array(y.length);
  let i = 0;
  for (let n = 0; n < N; n++)
    for (let k = 0; k < K; k++)
      for (let p = 0; p < P; p++)
        for (let q = 0; q < Q; q++, i++) {
          let sum = b ? b.data[k] : 0;
          let magnitude = Math.abs(sum);
          for (let cg = 0; cg < CG; cg++)
            for (let r = 0; r < R; r++)
              for (let s = 0; s < S; s++) {
                const h = p * sh - ph + r * dh;
                const v = q * sw - pw + s * dw;
                if (h < 0 || h >= H || v < 0 || v >= W) continue;
                const channel = Math.floor(k / perGroup) * CG + cg;
                const term =
                  w.data[((k * CG + cg) * R + r) * S + s] *
                  x.data[((n * C + channel) * H + h) * W + v];
                sum += term;
                magnitude += Math.abs(term);
              }
          y[i] = sum;
          size[i] = magnitude;
        }
  return { y, size, terms: CG * R * S + 1 };
}
