import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { digitCounts } from './digit-counts.js';
import { digitMove } from './digit-move.js';
import { scanRows } from './scan-rows.js';

/**
 * Records the ranking of each map's pixels: all of a row's indices, largest element first (smallest with `rising`), of equal elements the one of
 * lower index first either way. x [N, ...] -> order [N,C] (u32), C the number of elements of a map.
 *
 * -0 equals 0; a NaN counts as largest. A stable radix sort: four rounds of three dispatches, eight bits a round, whole numbers only,
 * so the same on every device. Memory beside the result: one more order, and 2 kB for each part of max(256, about sqrt(C)) elements.
 */
export function rankPixels(
  r: Recorder,
  x: Value | Tensor,
  { rising = false }: { readonly rising?: boolean } = {},
): Value {
  const value = r.value(x);
  const [N] = value.shape;
  const rows = value.reshape([N, value.size / N]);
  let order: Value | undefined;
  for (let digit = 0; digit < 4; digit++) {
    const counts = r.k(digitCounts, { x: rows, order }, { digit, rising });
    const inRows = counts.reshape([N, counts.size / N]);
    const starts = r.k(scanRows, { x: inRows }).reshape(counts.shape);
    order = r.k(digitMove, { x: rows, starts, order }, { digit, rising });
  }
  return order as Value;
}
