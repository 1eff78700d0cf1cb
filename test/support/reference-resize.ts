/** Bilinear interpolation by its definition in float64, sharing no code with the kernels. */
import type { Ndarray } from './gpu.js';
import type { Reference } from './reference.js';

/** Row i of the matrix that resizes one axis: weight of each of `size` elements. */
export function resizeRow(
  i: number,
  size: number,
  count: number,
  alignCorners: boolean,
): Float64Array {
  const aligned = count > 1 ? (i * (size - 1)) / (count - 1) : 0;
  const at = alignCorners ? aligned : Math.max(0, ((i + 0.5) * size) / count - 0.5);
  const row = new Float64Array(size);
  const low = Math.min(Math.floor(at), size - 1);
  row[low] += 1 - (at - low);
  row[Math.min(low + 1, size - 1)] += at - low;
  return row;
}

/** torch.nn.functional.interpolate(mode='bilinear'), or its transpose. */
export function resizeBilinear(
  x: Ndarray,
  outputSize: readonly [number, number],
  alignCorners: boolean,
  transposed = false,
): Reference {
  const [N, C, H, W] = x.shape;
  const [P, Q] = outputSize;
  const weight = (from: number, to: number) => {
    const [outputs, inputs] = transposed ? [from, to] : [to, from];
    const rows = Array.from({ length: outputs }, (_, i) =>
      resizeRow(i, inputs, outputs, alignCorners),
    );
    return (target: number, source: number) =>
      transposed ? rows[source][target] : rows[target][source];
  };
  const [vertical, horizontal] = [weight(H, P), weight(W, Q)];
  const y = new Float64Array(N * C * P * Q);
  const size = new Float64Array(y.length);
  for (let i = 0; i < y.length; i++) {
    const [p, q, map] = [Math.floor(i / Q) % P, i % Q, Math.floor(i / (P * Q))];
    for (let h = 0; h < H; h++) {
      const row = vertical(p, h);
      if (row === 0) continue;
      for (let w = 0; w < W; w++) {
        const term = row * horizontal(q, w) * x.data[(map * H + h) * W + w];
        y[i] += term;
        size[i] += Math.abs(term);
      }
    }
  }
  return { y, size, terms: 4 };
}
