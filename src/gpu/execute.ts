import { ShapeError } from '../errors.js';
import type { Gpu } from './device.js';
import type { Slot } from './dispatch.js';
import { type Needed, type Schedule, slicesOf, sum } from './schedule.js';
import type { Tensor } from './tensor.js';
import { PassTimer, type PassTimes } from './timing.js';
import { usage } from './usage.js';
import type { Value, ValueRoot } from './value.js';

export interface RunOptions {
  /** Stops a sliced recording between two submissions; the run then rejects with the signal's reason and leaves nothing behind. */
  readonly signal?: AbortSignal | undefined;
  /** Called when a submission of a sliced recording is done, with the work done and all there is (see {@link Recorder.cut}). */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Runs a schedule in one command buffer, or one for each slice, and returns its outputs as tensors that the caller owns.
 *
 * @param timed whether to measure each dispatch, where the device can; then all of them run
 */
export async function execute(
  gpu: Gpu,
  { steps, arena, layout, kept }: Schedule,
  outputs: readonly Value[],
  timed: boolean,
  options: RunOptions,
): Promise<{ tensors: Tensor[]; times?: PassTimes | undefined }> {
  options.signal?.throwIfAborted();
  await gpu.prepare(steps.map((s) => s.plan));
  const timer = timed ? PassTimer.on(gpu, steps.length) : undefined;
  const temporary: GPUBuffer[] = [];
  const owned = new Map<ValueRoot, Tensor>();
  try {
    let slotOf!: (value: Value) => Slot;
    await gpu.scoped('run', () => {
      const storage = usage.storage | usage.copyDst | usage.copySrc;
      const lanes = layout.lanes.map((bytes, i) => gpu.createBuffer(bytes, storage, `lane ${i}`));
      temporary.push(...lanes);
      const slots = new Map<ValueRoot, { buffer: GPUBuffer; offset: number }>();
      arena.forEach((root, i) => {
        const { lane, offset } = layout.placements[i];
        slots.set(root, { buffer: lanes[lane], offset });
      });
      for (const value of kept) {
        const tensor = gpu.empty(value.shape, value.dtype, 'output');
        owned.set(value.root, tensor);
        slots.set(value.root, tensor);
      }
      for (const [root, slot] of slots) {
        if (root.kind === 'constant') {
          gpu.device.queue.writeBuffer(
            slot.buffer,
            slot.offset,
            root.data as Float32Array<ArrayBuffer>,
          );
        }
      }
      slotOf = (value) => {
        const { root } = value;
        const place = root.kind === 'tensor' ? root.tensor : slots.get(root);
        if (!place)
          throw new ShapeError('Recorder.run: reads a placeholder: it can only be planned');
        const { buffer, offset } = place;
        return { buffer, offset, size: Math.max(4, Math.ceil(value.byteLength / 4) * 4) };
      };
    });
    const slices = slicesOf(steps);
    const progress = new Progress(gpu, sum(slices.map((s) => s.work)), options);
    const counts = new Map<ValueRoot, Float32Array | Uint32Array>();
    for (const [n, { first, end, needed }] of slices.entries()) {
      // Where each dispatch is timed, all of them run.
      const isNeeded = !needed || timed || (await isAbove(gpu, needed, owned, counts));
      if (isNeeded)
        await gpu.scoped('run', () => {
          const encoder = gpu.device.createCommandEncoder({ label: 'webgpu-cam' });
          let pass: GPUComputePassEncoder | undefined;
          for (let i = first; i < end; i++) {
            const { plan, tensors } = steps[i];
            if (timer || !pass) {
              pass?.end();
              pass = encoder.beginComputePass({ label: plan.kernel, ...timer?.writes(i) });
            }
            gpu.pipelines.record(pass, plan, tensors.map(slotOf));
          }
          pass?.end();
          if (n === slices.length - 1) timer?.resolve(encoder);
          gpu.device.queue.submit([encoder.finish()]);
        });
      if (slices.length > 1) await progress.submitted(slices[n].work, isNeeded);
    }
    await progress.finished();
    // Destroying is allowed at once: what was submitted still runs on the memory.
    return {
      tensors: outputs.map((value) => {
        const tensor = owned.get(value.root);
        if (tensor && tensor.shape === value.shape) return tensor;
        return outputView(value, tensor);
      }),
      times: await timer?.read(steps.map((s) => s.plan)),
    };
  } catch (error) {
    for (const tensor of owned.values()) tensor.destroy();
    throw error;
  } finally {
    for (const [root, tensor] of owned) {
      if (!outputs.some((value) => value.root === root)) tensor.destroy();
    }
    for (const buffer of temporary) gpu.release(buffer);
    timer?.destroy();
  }
}

/**
 * Follows the submissions of a sliced recording. One is always on its way while the next is encoded, so that the device does not wait for the host; more
 * would only make an abort slower and progress coarser.
 */
class Progress {
  #done = 0;
  #ahead: { readonly work: number; readonly isDone: Promise<void> } | undefined;

  constructor(
    private readonly gpu: Gpu,
    private readonly total: number,
    private readonly options: RunOptions,
  ) {}

  /** After a slice was submitted, or passed over: waits for the one before. */
  async submitted(work: number, isNeeded: boolean): Promise<void> {
    const isDone = isNeeded ? this.gpu.idle() : Promise.resolve();
    isDone.catch(() => {}); // told when it is waited for, unless the run has ended by then
    const before = this.#ahead;
    this.#ahead = { work, isDone };
    await this.#wait(before);
  }

  /** Waits for the last one. */
  async finished(): Promise<void> {
    await this.#wait(this.#ahead);
  }

  async #wait(slice: { work: number; isDone: Promise<void> } | undefined): Promise<void> {
    if (!slice) return;
    await slice.isDone;
    this.#done += slice.work;
    if (slice.work > 0) this.options.onProgress?.(this.#done, this.total);
    this.options.signal?.throwIfAborted();
  }
}

function outputView(value: Value, tensor: Tensor | undefined): Tensor {
  if (tensor) return tensor.reshape(value.shape);
  if (value.root.kind === 'tensor') return value.root.tensor.reshape(value.shape);
  throw new ShapeError('Recorder.run: an output is a placeholder: it can only be planned');
}

/** Whether a submission is needed, from counts that are read once, when they are first asked for. */
async function isAbove(
  gpu: Gpu,
  { counts, at, above }: Needed,
  tensors: ReadonlyMap<ValueRoot, Tensor>,
  known: Map<ValueRoot, Float32Array | Uint32Array>,
): Promise<boolean> {
  let data = known.get(counts.root);
  if (!data) {
    [data] = await gpu.read([tensors.get(counts.root)!]);
    known.set(counts.root, data);
  }
  return data[at] > above;
}
