import { ShapeError } from '../errors.js';
import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { mapsDot } from './maps-dot.js';
import { sidesOf } from './pool-shape.js';

/**
 * Records the means over P x Q of bilinearly resized maps, without resizing them. x [N,K,H,W] -> [N,K], `outputSize` [P,Q].
 *
 * The mean of what `resizeBilinear` (corners not aligned) makes of a map is linear in the map: each pixel counts as often as the output
 * looks at it. The weights are found on the CPU in float64; one dispatch takes the inner products.
 *
 * @throws ShapeError if x has other than four dimensions, or `outputSize` is not two whole numbers above 0.
 */
export function resizedMean(
  r: Recorder,
  x: Value | Tensor,
  outputSize: readonly [number, number],
): Value {
  const { shape } = x;
  if (shape.length !== 4) throw new ShapeError(`resizedMean: x [${shape}] should be [N, K, H, W]`);
  const [N, K, H, W] = shape;
  const [P, Q] = sidesOf('resizedMean', 'outputSize', outputSize);
  const [rows, columns] = [meanWeights(H, P), meanWeights(W, Q)];
  const weights = Float32Array.from(
    { length: H * W },
    (_, i) => rows[Math.floor(i / W)] * columns[i % W],
  );
  const maps = r.value(x).reshape([1, N * K, H * W]);
  return r.k(mapsDot, { x: maps, v: r.constant(weights, [1, H * W]) }).reshape([N, K]);
}

/** What each of `size` elements adds to the mean of the `count` that they are resized to. */
function meanWeights(size: number, count: number): Float64Array {
  const weights = new Float64Array(size);
  for (let i = 0; i < count; i++) {
    const from = Math.max(0, ((i + 0.5) * size) / count - 0.5);
    const low = Math.floor(from);
    weights[low] += (1 - (from - low)) / count;
    weights[Math.min(low + 1, size - 1)] += (from - low) / count;
  }
  return weights;
}
