import { ShapeError } from '../errors.js';
import { bytesOf, type Dtype, sizeOf, type Tensor } from './tensor.js';

/**
 * A tensor that does not exist yet: the result of a recorded dispatch. It has a shape and a type; its memory is chosen when
 * the whole recording is known.
 */
export class Value {
  constructor(
    readonly shape: readonly number[],
    readonly dtype: Dtype,
    /** The value whose memory this one views; itself if it is no view. */
    readonly root: ValueRoot,
  ) {}

  get size(): number {
    return sizeOf(this.shape);
  }

  get byteLength(): number {
    return this.size * bytesOf(this.dtype);
  }

  /** The same memory under another shape of the same size. */
  reshape(shape: readonly number[]): Value {
    if (sizeOf(shape) !== this.size) {
      throw new ShapeError(
        `reshape: [${shape}] should hold ${this.size} elements as [${this.shape}] does`,
      );
    }
    return new Value(shape, this.dtype, this.root);
  }
}

/** Where a value's elements come from. */
export type ValueRoot =
  | { readonly kind: 'computed'; readonly bytes: number }
  | {
      readonly kind: 'constant';
      readonly bytes: number;
      /** Whole words. */
      readonly data: Float32Array | Uint32Array | Uint16Array;
    }
  | { readonly kind: 'tensor'; readonly bytes: number; readonly tensor: Tensor }
  /** Stands for a tensor that will come from outside: a recording with it can be planned, not run. */
  | { readonly kind: 'placeholder'; readonly bytes: number };

/** A value for planning without the tensor it stands for. */
export function placeholder(shape: readonly number[], dtype: Dtype = 'f32'): Value {
  return new Value(shape, dtype, { kind: 'placeholder', bytes: sizeOf(shape) * bytesOf(dtype) });
}
