/** What a program asked of WebGPU. */
export interface Counts {
  readonly dispatches: number;
  readonly submissions: number;
  /** Written from the CPU: `writeBuffer`, and buffers that were made mapped. */
  readonly uploadedBytes: number;
  /** Copied from buffer to buffer, which reading back is, too. */
  readonly copiedBytes: number;
}

export const noCounts: Counts = {
  dispatches: 0,
  submissions: 0,
  uploadedBytes: 0,
  copiedBytes: 0,
};

/** Counts what programs ask of WebGPU, whoever they are, by wrapping the interface itself. */
export class Counting {
  #counts: { -readonly [K in keyof Counts]: number } = { ...noCounts };
  #owner = '';
  readonly #owners = new WeakMap<object, string>();
  readonly #live = new Map<string, number>();
  readonly #peaks = new Map<string, number>();
  readonly #devices = new Set<GPUDevice>();

  /** Wraps the methods of `globalThis`' WebGPU classes. To be done before any program keeps one of them. */
  static install(scope: Record<string, unknown> = globalThis as never): Counting {
    const counting = new Counting();
    const add = (what: keyof Counts, by: number) => {
      counting.#counts[what] += by;
    };
    const before = (owner: string, method: string, tell: (...args: never[]) => void) => {
      const prototype = (scope[owner] as { prototype: Record<string, unknown> } | undefined)
        ?.prototype;
      const original = prototype?.[method] as ((...args: unknown[]) => unknown) | undefined;
      if (!prototype || !original) return;
      prototype[method] = function (this: unknown, ...args: unknown[]) {
        tell.apply(this, args as never[]);
        return original.apply(this, args);
      };
    };
    for (const method of ['dispatchWorkgroups', 'dispatchWorkgroupsIndirect']) {
      before('GPUComputePassEncoder', method, () => add('dispatches', 1));
    }
    before('GPUQueue', 'submit', () => add('submissions', 1));
    before('GPUQueue', 'writeBuffer', (_to: never, _at: never, data: never, ...rest: never[]) => {
      add('uploadedBytes', writtenBytes(data, ...rest));
    });
    before('GPUCommandEncoder', 'copyBufferToBuffer', (...args: never[]) => {
      add('copiedBytes', copiedBytes(args));
    });
    counting.#watchBuffers(scope);
    counting.#watchDevices(scope);
    return counting;
  }

  #watchBuffers(scope: Record<string, unknown>): void {
    const device = (scope.GPUDevice as { prototype: GPUDevice } | undefined)?.prototype;
    const buffer = (scope.GPUBuffer as { prototype: GPUBuffer } | undefined)?.prototype;
    if (!device || !buffer) return;
    const counting = this;
    const { createBuffer } = device;
    device.createBuffer = function (descriptor) {
      const made = createBuffer.call(this, descriptor);
      if (descriptor.mappedAtCreation) counting.#counts.uploadedBytes += descriptor.size;
      counting.#owners.set(made, counting.#owner);
      counting.#change(counting.#owner, descriptor.size);
      return made;
    };
    const { destroy } = buffer;
    buffer.destroy = function () {
      const owner = counting.#owners.get(this);
      // Destroying twice is allowed.
      if (owner !== undefined) counting.#change(owner, -this.size);
      counting.#owners.delete(this);
      return destroy.call(this);
    };
  }

  #watchDevices(scope: Record<string, unknown>): void {
    const adapter = (scope.GPUAdapter as { prototype: GPUAdapter } | undefined)?.prototype;
    if (!adapter) return;
    const devices = this.#devices;
    const { requestDevice } = adapter;
    adapter.requestDevice = async function (descriptor) {
      const device = await requestDevice.call(this, descriptor);
      devices.add(device);
      return device;
    };
  }

  /** Waits until no device has anything to do: what a program that failed left behind would slow down the next. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#devices].map(({ queue }) => queue.onSubmittedWorkDone()));
  }

  #change(owner: string, by: number): void {
    const live = (this.#live.get(owner) ?? 0) + by;
    this.#live.set(owner, live);
    this.#peaks.set(owner, Math.max(live, this.#peaks.get(owner) ?? 0));
  }

  /** From here on buffers are this program's. */
  set owner(name: string) {
    this.#owner = name;
  }

  /** Most bytes that a program's buffers had at once. One that is dropped without being destroyed counts as there. */
  peakBytes(owner: string): number {
    return this.#peaks.get(owner) ?? 0;
  }

  /** What was asked for since the last call. */
  take(): Counts {
    const counts = this.#counts;
    this.#counts = { ...noCounts };
    return counts;
  }
}

/** Bytes that `writeBuffer` writes: sizes of typed arrays are in elements. */
function writtenBytes(
  data: ArrayBuffer | ArrayBufferView,
  dataOffset: number | undefined = 0,
  size?: number,
): number {
  const unit = (data as Partial<Float32Array>).BYTES_PER_ELEMENT ?? 1;
  return size === undefined ? data.byteLength - dataOffset * unit : size * unit;
}

/** Bytes that `copyBufferToBuffer` copies, in either of its forms. */
function copiedBytes(args: readonly unknown[]): number {
  if (typeof args[1] === 'number') return Number(args[4] ?? (args[0] as GPUBuffer).size - args[1]);
  return Number(args[2] ?? (args[0] as GPUBuffer).size);
}
