import type { Gpu } from './device.js';

/** Element type of a tensor. All are 4 bytes wide but `f16`. */
export type Dtype = 'f32' | 'f16' | 'u32' | 'i32';

/** Type of the elements of float tensors in memory; sums are made in f32 all the same. `f16` needs the feature `shader-f16`. */
export type Storage = 'f32' | 'f16';

/** Bytes one element takes. */
export const bytesOf = (dtype: Dtype): number => (dtype === 'f16' ? 2 : 4);

/** Number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/**
 * An array on the GPU: a buffer, an offset in bytes, a shape (row-major) and an element type.
 *
 * A tensor made here owns its buffer and must be destroyed; one made by {@link Tensor.wrap} belongs
 * to the caller and `destroy()` leaves it alone.
 */
export class Tensor {
  #destroyed = false;

  constructor(
    readonly gpu: Gpu,
    readonly buffer: GPUBuffer,
    readonly shape: readonly number[],
    readonly dtype: Dtype = 'f32',
    readonly offset = 0,
    readonly owned = true,
  ) {}

  /** A tensor over the caller's buffer (usage STORAGE; COPY_SRC too if it is to be read). */
  static wrap(
    gpu: Gpu,
    buffer: GPUBuffer,
    shape: readonly number[],
    dtype: Dtype = 'f32',
    offset = 0,
  ) {
    return new Tensor(gpu, buffer, shape, dtype, offset, false);
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** Whether it was freed: by {@link destroy}, or because the device had no memory for it. */
  get isDestroyed(): boolean {
    return this.#destroyed;
  }

  get byteLength(): number {
    return this.size * bytesOf(this.dtype);
  }

  /** The same memory under another shape of the same size; it does not own the buffer. */
  reshape(shape: readonly number[]): Tensor {
    if (sizeOf(shape) !== this.size) {
      throw new RangeError(
        `reshape: [${shape}] holds ${sizeOf(shape)} elements, tensor has ${this.size}`,
      );
    }
    return new Tensor(this.gpu, this.buffer, shape, this.dtype, this.offset, false);
  }

  /** Copies the elements to the CPU: the only way out. Rejects with `DeviceError` if the device is lost. */
  async read(): Promise<Float32Array> {
    const [data] = await this.gpu.read([this]);
    return data as Float32Array;
  }

  /** As {@link read}, for `u32` tensors. */
  async readUint(): Promise<Uint32Array> {
    const [data] = await this.gpu.read([this]);
    return data as Uint32Array;
  }

  /** Frees the buffer, if this tensor owns it. Idempotent. */
  destroy(): void {
    if (this.#destroyed || !this.owned) return;
    this.#destroyed = true;
    this.gpu.release(this.buffer);
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}
