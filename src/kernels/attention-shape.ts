import { ShapeError } from '../errors.js';
import type { Sizes } from './kernel.js';

export interface HeadsOption {
  /** Attention heads; D divides by it. */
  readonly heads: number;
}

/**
 * D, HEADS, WIDTH (of a head) and SCALE of attention on qkv [N,T,QKV]: a token's row is its q, k and v, each with one head after another, as
 * PyTorch's `in_proj` and timm's `qkv` give it.
 */
export function attentionSizes(kernelName: string, { QKV, D = QKV / 3 }: Sizes, heads: number) {
  if (QKV % 3 !== 0 || D * 3 !== QKV) {
    throw new ShapeError(
      `${kernelName}: qkv has rows of ${QKV} elements for an embedding of ${D}, should be 3 x D`,
    );
  }
  if (!Number.isInteger(heads) || heads < 1 || D % heads !== 0) {
    throw new ShapeError(
      `${kernelName}: heads is ${heads}, should be a whole number that divides the embedding, ${D}`,
    );
  }
  const WIDTH = D / heads;
  return { QKV, D, HEADS: heads, WIDTH, SCALE: 1 / Math.sqrt(WIDTH) };
}
