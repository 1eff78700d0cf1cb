import { ShapeError } from '../errors.js';
import { type Caps, capsOf } from '../gpu/caps.js';
import type { KernelPlan, ReadsOf, Slot } from '../gpu/dispatch.js';
import { Pipelines } from '../gpu/pipelines.js';
import { bytesOf, sizeOf } from '../gpu/tensor.js';
import type { Kernel } from './kernel.js';

/** Elements in the host's buffer (usage STORAGE), from `offset` bytes on. */
export interface HostSlot {
  readonly buffer: GPUBuffer;
  /** A multiple of the device's `minStorageBufferOffsetAlignment`; default 0. */
  readonly offset?: number;
}

/** As {@link HostSlot}, with the row-major shape of the tensor that lies there. */
export interface HostTensor extends HostSlot {
  readonly shape: readonly number[];
}

interface HostSettings {
  readonly device: GPUDevice;
  /** Variant by name; default is the first that suits the device and the sizes. */
  readonly variant?: string;
  /** Type of the elements in the buffers of float tensors; default f32. `f16` needs the feature `shader-f16`. */
  readonly storage?: 'f32' | 'f16';
}

/** A kernel's inputs and results by name, its options, and the device, in one object. */
export type HostArguments<Reads extends string, Results extends string, Options> = HostSettings &
  ReadsOf<Reads, HostTensor> & { readonly [Y in Results]: HostSlot } & Options;

/** What {@link HostRecord.prepare} needs of it: the shapes, no buffers. */
export type HostShapes<Reads extends string, Options> = HostSettings &
  ReadsOf<Reads, { readonly shape: readonly number[] }> &
  Options;

/** Records one kernel into a host's compute pass. */
export interface HostRecord<Reads extends string, Results extends string, Options> {
  /**
   * Sets pipeline and bind group and dispatches; nothing is submitted, and the pass stays the host's. If the pipeline
   * was not {@link prepare}d it is created here, which holds the calling thread up.
   *
   * @returns what was recorded: variant, result shapes, FLOPs, bytes.
   * @throws ShapeError if shapes or options do not fit, or a buffer is too small.
   */
  (pass: GPUComputePassEncoder, args: HostArguments<Reads, Results, Options>): KernelPlan<Results>;
  /** Creates the pipeline for these shapes ahead of time. Rejects with DeviceError if the device refuses it. */
  prepare(args: HostShapes<Reads, Options>): Promise<KernelPlan<Results>>;
}

/** Arguments that are neither tensors nor a kernel's own options. */
const settingNames: ReadonlySet<string> = new Set(['device', 'variant', 'storage']);

const known = new WeakMap<GPUDevice, Caps>();

function capsFor(device: GPUDevice): Caps {
  let caps = known.get(device);
  if (!caps) {
    caps = capsOf(device, device.adapterInfo);
    known.set(device, caps);
  }
  return caps;
}

/**
 * Makes a kernel recordable on a host's own device, pass and buffers: neither `Gpu` nor `Tensor` is needed.
 * Nothing is installed on the device; pipelines are kept for as long as it lives.
 */
export function recordable<Reads extends string, Results extends string, Options>(
  kernel: Kernel<Reads, Results, Options>,
): HostRecord<Reads, Results, Options> {
  const readNames = Object.keys(kernel.spec.reads).map((name) => name.replace(/\?$/, ''));
  const tensorNames = new Set<string>([...readNames, ...kernel.resultNames]);

  const plan = (args: HostSettings) => {
    const given = args as HostSettings & Record<string, unknown>;
    const reads: Record<string, unknown> = {};
    const options: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(given)) {
      if (value === undefined || settingNames.has(name)) continue;
      if (readNames.includes(name)) reads[name] = value;
      else if (!tensorNames.has(name)) options[name] = value;
    }
    return kernel.plan(reads as ReadsOf<Reads, HostTensor>, options as Options, {
      caps: capsFor(args.device),
      variant: args.variant,
      storage: args.storage,
    });
  };

  const record = (
    pass: GPUComputePassEncoder,
    args: HostArguments<Reads, Results, Options>,
  ): KernelPlan<Results> => {
    const planned = plan(args);
    const given = args as unknown as Readonly<Record<string, HostSlot | undefined>>;
    const { limits } = capsFor(args.device);
    const slots: Record<string, Slot> = {};
    for (const { name, shape, dtype } of planned.bindings) {
      const slot = given[name];
      if (!slot) {
        if (readNames.includes(name)) continue; // an optional input that was left out
        throw new ShapeError(`${kernel.name}: ${name} is missing: a buffer for [${shape}]`);
      }
      const { buffer, offset = 0 } = slot;
      const bytes = Math.ceil((sizeOf(shape) * bytesOf(dtype)) / 4) * 4;
      if (offset % limits.minStorageBufferOffsetAlignment !== 0) {
        throw new ShapeError(
          `${kernel.name}: ${name} begins at byte ${offset}, should be a multiple of ${limits.minStorageBufferOffsetAlignment}`,
        );
      }
      if (offset + bytes > buffer.size) {
        throw new ShapeError(
          `${kernel.name}: ${name} [${shape}] needs ${bytes} bytes from byte ${offset}, the buffer has ${buffer.size}`,
        );
      }
      slots[name] = { buffer, offset, size: bytes };
    }
    const order = kernel.order(
      slots as unknown as ReadsOf<Reads, Slot>,
      slots as unknown as Record<Results, Slot>,
    );
    Pipelines.of(args.device).record(pass, planned, order);
    return planned;
  };

  return Object.assign(record, {
    prepare: async (args: HostShapes<Reads, Options>) => {
      const planned = plan(args);
      await Pipelines.of(args.device).prepare([planned]);
      return planned;
    },
  });
}
