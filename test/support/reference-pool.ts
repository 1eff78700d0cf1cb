/** Poolings by their definition in float64, sharing no code with the kernels. */
import type { Ndarray } from './gpu.js';
import type { Reference } from './reference.js';

type Two = readonly [number, number];

export interface PoolCase {
  readonly x: readonly number[];
  readonly size: Two;
  readonly stride?: Two;
  readonly pad?: Two;
  readonly dilation?: Two;
  readonly ceilMode?: boolean;
  readonly countIncludePad?: boolean;
}

/** Starts of all windows on one axis, in the map's coordinates: as many as fit; in ceil mode also those that start before the far padding. */
function starts(length: number, c: PoolCase, axis: 0 | 1): number[] {
  const pad = c.pad?.[axis] ?? 0;
  const stride = c.stride?.[axis] ?? c.size[axis];
  const extent = (c.dilation?.[axis] ?? 1) * (c.size[axis] - 1) + 1;
  const list = [];
  for (let at = -pad; ; at += stride) {
    const fits = at + extent <= length + pad;
    // In ceil mode a window that no longer fits still counts if the one before it left elements over and it starts in the map.
    const leftOver = c.ceilMode && at - stride + extent < length + pad && at < length;
    if (!fits && !(leftOver && list.length > 0)) break;
    list.push(at);
  }
  return list;
}

const mapsOf = (x: Ndarray) => ({
  count: x.shape[0] * x.shape[1],
  H: x.shape[2],
  W: x.shape[3],
});

/** torch.nn.functional.max_pool2d with return_indices. */
export function maxPool2d(x: Ndarray, c: PoolCase) {
  const { count, H, W } = mapsOf(x);
  const [dh, dw] = c.dilation ?? [1, 1];
  const [rows, columns] = [starts(H, c, 0), starts(W, c, 1)];
  const y: number[] = [];
  const positions: number[] = [];
  for (let m = 0; m < count; m++)
    for (const top of rows)
      for (const left of columns) {
        const window = [];
        for (let r = 0; r < c.size[0]; r++)
          for (let s = 0; s < c.size[1]; s++) {
            const [h, w] = [top + r * dh, left + s * dw];
            if (h >= 0 && h < H && w >= 0 && w < W) window.push(h * W + w);
          }
        const values = window.map((at) => x.data[m * H * W + at]);
        const most = Math.max(...values);
        y.push(most);
        positions.push(window[values.indexOf(most)]);
      }
  return { shape: [x.shape[0], x.shape[1], rows.length, columns.length], y, positions };
}

/** Where max pooling's gradients go. */
export function maxPool2dBackward(dy: Ndarray, positions: Ndarray, inputSize: Two): Reference {
  const [N, C, P, Q] = dy.shape;
  const area = inputSize[0] * inputSize[1];
  const y = new Float64Array(N * C * area);
  const size = new Float64Array(y.length);
  for (let i = 0; i < dy.data.length; i++) {
    const to = Math.floor(i / (P * Q)) * area + positions.data[i];
    y[to] += dy.data[i];
    size[to] += Math.abs(dy.data[i]);
  }
  return { y, size, terms: P * Q };
}

/** torch.nn.functional.avg_pool2d. */
export function avgPool2d(x: Ndarray, c: PoolCase): Reference & { shape: number[] } {
  const { H, W } = mapsOf(x);
  const [ph, pw] = c.pad ?? [0, 0];
  const axis = (length: number, pad: number, side: number) => (at: number) => {
    const [low, high] = [Math.max(at, 0), Math.min(at + side, length)];
    const padded = Math.min(at + side, length + pad) - at;
    return { low, high, divisor: (c.countIncludePad ?? true) ? padded : high - low };
  };
  return means(
    x,
    starts(H, c, 0).map(axis(H, ph, c.size[0])),
    starts(W, c, 1).map(axis(W, pw, c.size[1])),
  );
}

/** torch.nn.functional.adaptive_avg_pool2d. */
export function adaptiveAvgPool2d(x: Ndarray, [P, Q]: Two): Reference & { shape: number[] } {
  const { H, W } = mapsOf(x);
  const axis = (length: number, count: number) =>
    Array.from({ length: count }, (_, i) => {
      const [low, high] = [Math.floor((i * length) / count), Math.ceil(((i + 1) * length) / count)];
      return { low, high, divisor: high - low };
    });
  return means(x, axis(H, P), axis(W, Q));
}

interface Span {
  readonly low: number;
  readonly high: number;
  readonly divisor: number;
}

function means(x: Ndarray, rows: Span[], columns: Span[]): Reference & { shape: number[] } {
  const { count, H, W } = mapsOf(x);
  const y: number[] = [];
  const size: number[] = [];
  let terms = 0;
  for (let m = 0; m < count; m++)
    for (const row of rows)
      for (const column of columns) {
        let sum = 0;
        let magnitude = 0;
        for (let h = row.low; h < row.high; h++)
          for (let w = column.low; w < column.high; w++) {
            const v = x.data[(m * H + h) * W + w];
            sum += v;
            magnitude += Math.abs(v);
          }
        const divisor = row.divisor * column.divisor;
        y.push(sum / divisor);
        size.push(magnitude / divisor);
        terms = Math.max(terms, (row.high - row.low) * (column.high - column.low));
      }
  return {
    shape: [x.shape[0], x.shape[1], rows.length, columns.length],
    y: Float64Array.from(y),
    size: Float64Array.from(size),
    terms: terms + 4, // the division is good to 2.5 units in the last place
  };
}

/**
 * The transpose of a pooling that is linear in x, by pushing unit maps through it: the definition of its gradient.
 */
export function transposeOf(
  forward: (x: Ndarray) => Reference,
  dy: Ndarray,
  inputSize: Two,
): Reference {
  const [N, C, P, Q] = dy.shape;
  const area = inputSize[0] * inputSize[1];
  const y = new Float64Array(N * C * area);
  const size = new Float64Array(y.length);
  for (let at = 0; at < area; at++) {
    const unit = new Float32Array(area);
    unit[at] = 1;
    const share = forward({ shape: [1, 1, ...inputSize], data: unit }).y;
    for (let m = 0; m < N * C; m++)
      for (let j = 0; j < P * Q; j++) {
        const term = share[j] * dy.data[m * P * Q + j];
        y[m * area + at] += term;
        size[m * area + at] += Math.abs(term);
      }
  }
  return { y, size, terms: P * Q + 4 };
}
