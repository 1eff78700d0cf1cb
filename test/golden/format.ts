/** The golden folder's formats, as its README gives them; free of Node. */
import type { Weights } from '../../src/net/weights/index.js';

/** One comparison with a golden. */
export interface Check {
  readonly key: string;
  readonly error: number;
  readonly tolerance: number;
}

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A safetensors file of goldens: a tensor by name, or undefined. */
export type GoldenTensors = (name: string) => GoldenTensor | undefined;

export function goldenTensors(weights: Weights): GoldenTensors {
  return (name) => {
    const entry = weights.entries.get(name);
    return entry && { shape: entry.shape, data: entry.read() };
  };
}

const mean = [0.485, 0.456, 0.406];
const std = [0.229, 0.224, 0.225];

/** The network input [3,H,W] of a golden image, from its bytes by the README's formula. */
export function imageInput(images: GoldenTensors, name: string): GoldenTensor {
  const rgb = images(`${name}.rgb`);
  if (!rgb) throw new Error(`images.safetensors has no ${name}.rgb`);
  const [H, W] = rgb.shape;
  const data = new Float32Array(3 * H * W);
  for (let i = 0; i < H * W; i++) {
    for (let c = 0; c < 3; c++)
      data[c * H * W + i] = (rgb.data[3 * i + c] / 255 - mean[c]) / std[c];
  }
  return { shape: [3, H, W], data };
}

/** The elements of `values` that a golden of that length holds: all, or those of a sample. */
export function sampleLike(values: Float32Array, golden: ArrayLike<number>): Float32Array {
  if (values.length === golden.length) return values;
  const n = values.length;
  const K = golden.length;
  return Float32Array.from({ length: K }, (_, j) => values[Math.floor((j * n) / K)]);
}
