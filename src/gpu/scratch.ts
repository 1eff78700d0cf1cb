import type { Gpu } from './device.js';
import { usage } from './usage.js';

/** Memory that is wanted under a key: with these elements, or any that look like activations. */
export interface Demand {
  readonly key: object;
  readonly bytes: number;
  readonly data?: Float32Array | Uint32Array | Uint16Array | undefined;
}

/** Numbers that stand for activations: from 0 to 1, in no order. */
const patternLength = 65536;
const patternBytes = 4 * patternLength;

/** Buffers to time dispatches on. */
export class Scratch {
  readonly #buffers = new Map<object, GPUBuffer>();

  constructor(
    private readonly gpu: Gpu,
    private readonly demands: readonly Demand[],
  ) {}

  /** Bytes that it will take. */
  get bytes(): number {
    return this.demands.reduce((sum, { bytes }) => sum + bytes, patternBytes);
  }

  /** Makes the buffers. @throws DeviceError if the device has no memory for them: {@link destroy} frees those that were made. */
  async fill(): Promise<void> {
    await this.gpu.scoped('tune', () => this.#fill());
  }

  #fill(): void {
    const { gpu } = this;
    const { queue } = gpu.device;
    const pattern = gpu.createBuffer(patternBytes, usage.copySrc | usage.copyDst, 'pattern');
    this.#buffers.set(this, pattern);
    queue.writeBuffer(pattern, 0, patternNumbers());
    const encoder = gpu.device.createCommandEncoder({ label: 'tune' });
    for (const { key, bytes, data } of this.demands) {
      const buffer = gpu.createBuffer(bytes, usage.storage | usage.copyDst, 'tune');
      this.#buffers.set(key, buffer);
      if (data) {
        queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
        continue;
      }
      for (let at = 0; at < bytes; at += patternBytes) {
        const size = Math.min(patternBytes, Math.ceil((bytes - at) / 4) * 4);
        encoder.copyBufferToBuffer(pattern, 0, buffer, at, size);
      }
    }
    queue.submit([encoder.finish()]);
  }

  /** The buffer under a key of the demands. */
  buffer(key: object): GPUBuffer {
    return this.#buffers.get(key)!;
  }

  destroy(): void {
    for (const buffer of this.#buffers.values()) this.gpu.release(buffer);
    this.#buffers.clear();
  }
}

function patternNumbers(): Float32Array<ArrayBuffer> {
  const numbers = new Float32Array(patternLength);
  let state = 1;
  for (let i = 0; i < patternLength; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    numbers[i] = state / 2 ** 32;
  }
  return numbers;
}
