import { ShapeError } from '../errors.js';
import { sizeOf } from '../gpu/tensor.js';

export interface InterpolatePositionsOptions {
  /** Rows that are no patch's (class, distillation, register tokens); they come first and are kept. */
  readonly extra: number;
  /** Rows and columns of patches that are wanted. */
  readonly grid: readonly [number, number];
  /** Rows and columns of patches there are; default a square. */
  readonly from?: readonly [number, number];
  /** Whether corner patches stay on corners, as torchvision's `interpolate_embeddings` does; default false, as DeiT and older timm do. */
  readonly alignCorners?: boolean;
}

/**
 * Position embeddings for another number of patches: bicubic between them, on the CPU, in float64.
 *
 * pos [1,T,D] or [T,D] -> of the same rank, T = extra + rows x columns of `grid`. The convention is PyTorch's
 * `interpolate(mode='bicubic', align_corners=False)`: cubic convolution with a = -0.75, no antialiasing, patches beyond the border as
 * those on it (today's timm adds antialiasing, for which see its `resample_abs_pos_embed`). A grid of the same sides gives a copy.
 *
 * @throws ShapeError if pos is not of `extra` rows and a grid.
 */
export function interpolatePositions(
  pos: { readonly data: Float32Array; readonly shape: readonly number[] },
  { extra, grid: [P, Q], from, alignCorners = false }: InterpolatePositionsOptions,
): { data: Float32Array<ArrayBuffer>; shape: number[] } {
  const [T, D] = pos.shape.slice(-2);
  const side = Math.sqrt(T - extra);
  const [H, W] = from ?? [side, side];
  const whole = [extra, P, Q, H, W].every(Number.isInteger);
  const fits = whole && extra >= 0 && Math.min(P, Q, H, W) >= 1 && T === extra + H * W && D >= 1;
  if (!fits || sizeOf(pos.shape) !== T * D || pos.data.length !== T * D) {
    throw new ShapeError(
      `interpolatePositions: pos [${pos.shape}] (${pos.data.length} elements) to ${P} x ${Q}, should be [${extra} + rows x columns,D] with whole numbers above 0: give \`from\` where patches are no square`,
    );
  }
  const data = new Float32Array((extra + P * Q) * D);
  const shape = [...pos.shape.slice(0, -2), extra + P * Q, D];
  if (P === H && Q === W) {
    data.set(pos.data);
    return { data, shape };
  }
  data.set(pos.data.subarray(0, extra * D));
  const rows = taps(H, P, alignCorners);
  const columns = taps(W, Q, alignCorners);
  const sums = new Float64Array(D);
  for (let p = 0; p < P; p++) {
    for (let q = 0; q < Q; q++) {
      sums.fill(0);
      for (const { at: row, weight: down } of rows[p]) {
        for (const { at: column, weight: across } of columns[q]) {
          const start = (extra + row * W + column) * D;
          for (let d = 0; d < D; d++) sums[d] += down * across * pos.data[start + d];
        }
      }
      data.set(sums, (extra + p * Q + q) * D);
    }
  }
  return { data, shape };
}

/** For each of `count` outputs, the four of `size` elements it looks at. */
function taps(size: number, count: number, alignCorners: boolean) {
  return Array.from({ length: count }, (_, i) => {
    const corners = count > 1 ? (i * (size - 1)) / (count - 1) : 0;
    const src = alignCorners ? corners : ((i + 0.5) * size) / count - 0.5;
    return [-1, 0, 1, 2].map((j) => {
      const at = Math.floor(src) + j;
      return { at: Math.min(Math.max(at, 0), size - 1), weight: cubic(Math.abs(src - at)) };
    });
  });
}

/** The cubic convolution kernel at distance v (R. Keys 1981) with PyTorch's a. */
function cubic(v: number): number {
  const a = -0.75;
  if (v <= 1) return ((a + 2) * v - (a + 3)) * v * v + 1;
  return v < 2 ? a * (((v - 5) * v + 8) * v - 4) : 0;
}
