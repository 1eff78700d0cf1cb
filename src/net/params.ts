import { WeightsError } from '../errors.js';
import type { Gpu } from '../gpu/device.js';
import { halfOverflow } from '../gpu/half.js';
import { type Storage, sizeOf, type Tensor } from '../gpu/tensor.js';

/** A parameter's values, decoded when asked for. */
export interface ParamSource {
  readonly shape: readonly number[];
  /** Row-major float32 values. */
  read(): Float32Array;
}

/** A run of rows of a parameter (first dimension): large ones do not fit one binding. */
export interface RowRun {
  readonly first: number;
  readonly count: number;
}

/**
 * A network's parameters on one GPU, uploaded when first used.
 *
 * The source stays referenced, so that a network can be bound again after a device is lost.
 */
export class Params {
  #tensors = new Map<string, readonly Tensor[]>();

  constructor(
    readonly gpu: Gpu,
    readonly sources: ReadonlyMap<string, ParamSource>,
    /** How they are stored on the GPU. */
    readonly storage: Storage = 'f32',
  ) {}

  /** The parameter as one tensor. @throws WeightsError if there is none of that name. */
  tensor(name: string): Tensor {
    return this.rows(name, [{ first: 0, count: this.#source(name).shape[0] ?? 1 }])[0];
  }

  /** The parameter in runs of rows, a tensor each. */
  rows(name: string, runs: readonly RowRun[]): readonly Tensor[] {
    return this.#upload(`${name} in ${runs.length}`, this.#source(name), runs, name);
  }

  /** A tensor computed once from parameters, on the CPU. */
  derived(name: string, shape: readonly number[], compute: () => Float32Array): Tensor {
    return this.#upload(name, { shape, read: compute }, [{ first: 0, count: shape[0] }])[0];
  }

  /** The values on the CPU. */
  read(name: string): Float32Array {
    return this.#source(name).read();
  }

  #source(name: string): ParamSource {
    const source = this.sources.get(name);
    if (!source)
      throw new WeightsError(`no parameter ${name} among the ${this.sources.size} loaded`);
    return source;
  }

  #upload(
    key: string,
    source: ParamSource,
    runs: readonly RowRun[],
    name = key,
  ): readonly Tensor[] {
    let tensors = this.#tensors.get(key);
    // The device may have had no memory for one, which is found out later: now it may.
    if (!tensors || tensors.some((t) => t.isDestroyed)) {
      for (const t of tensors ?? []) t.destroy();
      const data = source.read();
      if (this.storage === 'f16') checkHalves(name, data);
      const [total, ...rest] = source.shape;
      const width = data.length / total;
      tensors = runs.map(({ first, count }) => {
        const part = data.subarray(first * width, (first + count) * width);
        return this.gpu.tensor(part, [count, ...rest], name, this.storage);
      });
      this.#tensors.set(key, tensors);
    }
    return tensors;
  }

  /** Bytes on the GPU. */
  get bytes(): number {
    let sum = 0;
    for (const tensors of this.#tensors.values()) for (const t of tensors) sum += t.byteLength;
    return sum;
  }

  destroy(): void {
    for (const tensors of this.#tensors.values()) for (const t of tensors) t.destroy();
    this.#tensors.clear();
  }
}

/** @throws WeightsError for what float16 does not hold. */
function checkHalves(name: string, data: Float32Array): void {
  const over = data.find((v) => Math.abs(v) >= halfOverflow);
  if (over !== undefined) {
    throw new WeightsError(
      `${name}: has an element ${over}, 16-bit storage ends at 65504: load the network with storage f32`,
    );
  }
}

/** Splits a shape's rows into as few equal runs of at most `maxBytes` as will do. */
export function rowRuns(shape: readonly number[], maxBytes: number, bytesPerElement = 4): RowRun[] {
  const total = shape[0];
  const rowBytes = (sizeOf(shape) / total) * bytesPerElement;
  const parts = Math.ceil(total / Math.max(1, Math.floor(maxBytes / rowBytes)));
  const most = Math.ceil(total / parts);
  return Array.from({ length: Math.ceil(total / most) }, (_, i) => ({
    first: i * most,
    count: Math.min(most, total - i * most),
  }));
}
