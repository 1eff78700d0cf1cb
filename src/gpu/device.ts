import { platformGpu, restUntil } from '#platform';
import { DeviceError } from '../errors.js';
import { type Caps, capsOf, coreLimits, subgroupMatrix } from './caps.js';
import type { DispatchPlan } from './dispatch.js';
import { fromHalf, toHalf, wholeWords } from './half.js';
import { Pipelines } from './pipelines.js';
import { bytesOf, type Dtype, type Storage, sizeOf, Tensor } from './tensor.js';
import { type TuneMode, Tuner } from './tuner.js';
import { mapModeRead, usage } from './usage.js';

export interface GpuRequestOptions {
  /** The WebGPU entry point; default `navigator.gpu`, or Dawn (package `webgpu`) in Node. */
  gpu?: GPU;
  powerPreference?: GPUPowerPreference;
  /** `core` asks for no more than every device has; default is all the adapter offers. */
  limits?: 'core' | 'adapter';
  /**
   * Whether a kernel's variants are timed on this device when it first meets a class of shapes, and the fastest taken from then on: on
   * `first-use` for some milliseconds each, in `full` ten times as long. Choices are remembered: in Node as a file in the user's cache
   * folder, in a page in its Cache API; by adapter, driver and version. Default `never`: choices that come with the package, and none are read or written.
   */
  tune?: TuneMode;
  /**
   * Asks for the experimental feature `chromium-experimental-subgroup-matrix` where the adapter has it: linear layers and convolutions are then
   * computed by it, in the shapes that the adapter lists. Default false. An adopted device that has it uses it.
   */
  subgroupMatrix?: boolean;
}

/** How {@link Gpu.adopt} uses a device. */
export type GpuAdoptOptions = Pick<GpuRequestOptions, 'tune'>;

/** Used when the adapter has them, never required. */
const wantedFeatures = ['timestamp-query', 'subgroups', 'shader-f16'] as const;

/** writeBuffer copies through staging memory: pieces of this size keep the peak low. */
const uploadPiece = 16 * 1024 * 1024;

const nothingCaught = Promise.resolve(undefined);

/**
 * A `GPUDevice`, requested or adopted, with its caps, its pipelines and a count of the bytes it holds.
 */
export class Gpu {
  readonly pipelines: Pipelines;
  /** Chooses variants by timing them; undefined unless asked for. */
  readonly tuner: Tuner | undefined;
  readonly #caps: Caps;
  #lostError: DeviceError | undefined;
  #onLost = new Set<(error: DeviceError) => void>();
  /** The first error of what was {@link deferred} and nobody has been told of. */
  #unseen: Promise<DeviceError | undefined> = nothingCaught;
  #live = new Map<GPUBuffer, number>();
  #liveBytes = 0;
  #peakBytes = 0;

  private constructor(
    readonly device: GPUDevice,
    readonly info: GPUAdapterInfo | undefined,
    readonly adopted: boolean,
    tune: TuneMode = 'never',
  ) {
    this.#caps = capsOf(device, info);
    this.tuner = tune === 'never' ? undefined : new Tuner(this, tune, this.#caps);
    this.pipelines = Pipelines.of(device);
    device.lost.then(({ reason, message }) => {
      const error = new DeviceError(
        `the device was ${reason === 'destroyed' ? 'destroyed' : 'lost'}${message ? ` (${message})` : ''}: make a new Gpu and bind the network to it`,
      );
      this.#lostError = error;
      for (const reject of this.#onLost) reject(error);
    });
  }

  /**
   * Requests an adapter and a device.
   *
   * @throws DeviceError if there is no WebGPU or no adapter.
   */
  static async request(options: GpuRequestOptions = {}): Promise<Gpu> {
    const gpu = options.gpu ?? (await platformGpu());
    const adapter = await gpu.requestAdapter({ powerPreference: options.powerPreference });
    if (!adapter) {
      throw new DeviceError(
        'Gpu.request: no WebGPU adapter: install a GPU driver (on Linux a Vulkan driver), or in Node the package @sparticuz/chromium for a software adapter',
      );
    }
    const wanted = options.limits === 'core' ? [] : Object.keys(coreLimits);
    const features = [...wantedFeatures, ...(options.subgroupMatrix ? [subgroupMatrix] : [])];
    const device = await adapter.requestDevice({
      label: 'webgpu-cam',
      requiredFeatures: features.filter((f) => adapter.features.has(f)) as GPUFeatureName[],
      requiredLimits: Object.fromEntries(
        wanted
          .filter((name) => name !== 'minStorageBufferOffsetAlignment')
          .map((name) => [name, adapter.limits[name as keyof GPUSupportedLimits] as number]),
      ),
    });
    const made = new Gpu(device, adapter.info, false, options.tune);
    await made.tuner?.load();
    return made;
  }

  /**
   * Uses the caller's device: it is never changed or destroyed, and no global handlers are installed on it.
   * Needs core limits and `GPUDevice.adapterInfo` (or `info`) to recognise a software adapter.
   */
  static adopt(
    device: GPUDevice,
    info: GPUAdapterInfo | undefined = device.adapterInfo,
    { tune }: GpuAdoptOptions = {},
  ): Gpu {
    return new Gpu(device, info, true, tune);
  }

  /** What planning needs to know of the device. Where variants are chosen by timing, a new object after each new choice. */
  get caps(): Caps {
    return this.tuner?.caps ?? this.#caps;
  }

  /** One line that names the adapter, for results and reports. */
  get adapterName(): string {
    const { vendor = '', architecture = '', device = '', description = '' } = this.info ?? {};
    return (
      [vendor, architecture, device || description].filter(Boolean).join(' ') || 'unknown adapter'
    );
  }

  get isSoftware(): boolean {
    return this.caps.kind === 'software';
  }

  /** Bytes of all buffers made through this object and not yet released. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  /** Largest {@link liveBytes} since the object was made or {@link resetPeak} was called. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  resetPeak(): void {
    this.#peakBytes = this.#liveBytes;
  }

  /** Why the device is gone, or undefined while it works. */
  get lostError(): DeviceError | undefined {
    return this.#lostError;
  }

  /** Settles as `work` does, but rejects with `DeviceError` as soon as the device is lost. */
  async guard<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {}); // whoever is told of the loss asks no more what became of it
    if (this.#lostError) throw this.#lostError;
    let abandon: ((error: DeviceError) => void) | undefined;
    // Not Promise.race with `device.lost`: that would keep every result alive as long as the device.
    const lost = new Promise<never>((_, reject) => {
      abandon = reject;
      this.#onLost.add(reject);
    });
    // By the adapter itself, whatever plans are made for.
    const rested = this.#caps.kind === 'software' ? restUntil() : undefined;
    try {
      return await Promise.race([work, lost]);
    } catch (error) {
      // A rejected map or pipeline may be the first sign of a loss: let `lost` settle before judging.
      await new Promise((resolve) => setTimeout(resolve));
      throw this.#lostError ?? error;
    } finally {
      this.#onLost.delete(abandon!);
      rested?.();
    }
  }

  /**
   * {@link Pipelines.prepare}, waited for as {@link guard} does.
   *
   * @throws DeviceError if a pipeline is refused, or the device is lost.
   */
  prepare(plans: Iterable<DispatchPlan>): Promise<void> {
    return this.guard(this.pipelines.prepare(plans));
  }

  /** Makes a counted buffer of at least `bytes` (rounded up to 4, at least 16). */
  createBuffer(bytes: number, bufferUsage: number, label?: string): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 4) * 4);
    if (size > this.caps.limits.maxBufferSize) {
      throw new DeviceError(
        `${label ?? 'buffer'}: needs ${mib(size)}, the device allows ${mib(this.caps.limits.maxBufferSize)} a buffer: use a smaller batch or input`,
      );
    }
    const buffer = this.device.createBuffer({ size, usage: bufferUsage, label });
    this.#live.set(buffer, size);
    this.#liveBytes += size;
    this.#peakBytes = Math.max(this.#peakBytes, this.#liveBytes);
    return buffer;
  }

  /** Destroys a buffer made by {@link createBuffer}. */
  release(buffer: GPUBuffer): void {
    const size = this.#live.get(buffer);
    if (size === undefined) return;
    this.#live.delete(buffer);
    this.#liveBytes -= size;
    buffer.destroy();
  }

  /** An uninitialised tensor. */
  empty(shape: readonly number[], dtype: Dtype = 'f32', label?: string): Tensor {
    const buffer = this.createBuffer(
      sizeOf(shape) * bytesOf(dtype),
      usage.storage | usage.copySrc | usage.copyDst,
      label,
    );
    return new Tensor(this, buffer, shape, dtype);
  }

  /**
   * A tensor with these elements (row-major); floats are rounded to `storage`. Where the device has no memory for it, it is destroyed and the next run or
   * read rejects with DeviceError.
   */
  tensor(
    data: Float32Array | Uint32Array,
    shape: readonly number[],
    label?: string,
    storage: Storage = 'f32',
  ): Tensor {
    if (data.length !== sizeOf(shape)) {
      throw new RangeError(
        `tensor: [${shape}] holds ${sizeOf(shape)} elements, got ${data.length}`,
      );
    }
    const upload = () => {
      const tensor = this.empty(shape, data instanceof Float32Array ? storage : 'u32', label);
      this.write(tensor, data);
      return tensor;
    };
    return this.deferred(label ?? 'tensor', upload, (tensor) => tensor.destroy());
  }

  /** Overwrites a tensor's elements; floats are rounded where it holds 16-bit ones. */
  write(tensor: Tensor, elements: Float32Array | Uint32Array): void {
    const isHalf = tensor.dtype === 'f16' && elements instanceof Float32Array;
    const data = isHalf ? wholeWords(toHalf(elements)) : elements;
    for (let at = 0; at < data.byteLength; at += uploadPiece) {
      const piece = Math.min(uploadPiece, data.byteLength - at);
      this.device.queue.writeBuffer(
        tensor.buffer,
        tensor.offset + at,
        data.buffer as ArrayBuffer,
        data.byteOffset + at,
        piece,
      );
    }
  }

  /** Copies several tensors to the CPU through one staging buffer and one map. */
  async read(tensors: readonly Tensor[]): Promise<(Float32Array | Uint32Array)[]> {
    if (this.#lostError) throw this.#lostError;
    const starts: number[] = [];
    let total = 0;
    for (const t of tensors) {
      starts.push(total);
      total += Math.ceil(t.byteLength / 4) * 4;
    }
    const staging = this.deferred('read', () =>
      this.createBuffer(total, usage.mapRead | usage.copyDst, 'readback'),
    );
    try {
      let mapped: Promise<unknown> | undefined;
      await this.scoped('read', () => {
        const encoder = this.device.createCommandEncoder({ label: 'readback' });
        tensors.forEach((t, i) => {
          const size = Math.ceil(t.byteLength / 4) * 4;
          encoder.copyBufferToBuffer(t.buffer, t.offset, staging, starts[i], size);
        });
        this.device.queue.submit([encoder.finish()]);
        mapped = staging.mapAsync(mapModeRead);
        mapped.catch(() => {});
      });
      await this.guard(mapped!);
      const bytes = staging.getMappedRange();
      return tensors.map((t, i) => {
        const part = bytes.slice(starts[i], starts[i] + t.byteLength);
        if (t.dtype === 'f16') return fromHalf(new Uint16Array(part));
        return t.dtype === 'f32' ? new Float32Array(part) : new Uint32Array(part);
      });
    } finally {
      this.release(staging);
    }
  }

  /**
   * Calls `work` inside error scopes and throws what they caught as `DeviceError`, or what was {@link deferred} before has caught. The scopes are
   * popped in the same turn, so a host's own scopes stay balanced, and handlers on the device are left alone.
   */
  async scoped<T>(what: string, work: () => T): Promise<T> {
    if (this.#lostError) throw this.#lostError;
    const { result, error } = this.#inScopes(what, work);
    await this.settled();
    const caught = await this.guard(error);
    if (caught) throw caught;
    return result;
  }

  /**
   * As {@link scoped} for callers that do not wait: what the scopes catch is thrown by the next scoped work (a run, a read), or by {@link settled}.
   *
   * @param undo is called first, with what `work` has made
   */
  deferred<T>(what: string, work: () => T, undo?: (made: T) => void): T {
    const { result, error } = this.#inScopes(what, work);
    const before = this.#unseen;
    const seen = error.then(
      (caught) => {
        if (caught) undo?.(result);
        return caught;
      },
      () => undefined, // the device is lost: guard() says so
    );
    this.#unseen = before.then(async (first) => first ?? (await seen));
    return result;
  }

  /** Waits for the scopes of what was {@link deferred}. @throws DeviceError for the first error they caught. */
  async settled(): Promise<void> {
    const unseen = this.#unseen;
    this.#unseen = nothingCaught;
    const caught = await this.guard(unseen);
    if (caught) throw caught;
  }

  /** Calls `work` inside error scopes and tells what they caught. */
  #inScopes<T>(
    what: string,
    work: () => T,
  ): { result: T; error: Promise<DeviceError | undefined> } {
    // Popped from the last to the first: lack of memory is told before what it makes invalid.
    const filters = ['validation', 'internal', 'out-of-memory'] as const;
    for (const filter of filters) this.device.pushErrorScope(filter);
    let result: T;
    let popped: Promise<(GPUError | null)[]>;
    try {
      result = work();
    } finally {
      popped = Promise.all(filters.map(() => this.device.popErrorScope()));
      popped.catch(() => {});
    }
    const error = popped.then((errors) => {
      const caught = errors.find((e) => e !== null);
      return (
        caught && new DeviceError(`${what}: ${caught.message.split('\n')[0]}`, { cause: caught })
      );
    });
    error.catch(() => {});
    return { result, error };
  }

  /** Waits until all submitted work is done. */
  async idle(): Promise<void> {
    await this.guard(this.device.queue.onSubmittedWorkDone());
  }

  /** Releases every buffer made here, and the device unless it was adopted. Idempotent. */
  destroy(): void {
    for (const buffer of [...this.#live.keys()]) this.release(buffer);
    if (!this.adopted) this.device.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}

/** Bytes as MiB for messages. */
export const mib = (bytes: number): string =>
  `${(bytes / 1024 / 1024).toFixed(bytes < 1e8 ? 1 : 0)} MiB`;
