import { ShapeError } from '../errors.js';
import { type Layout, layOut } from './arena.js';
import type { Caps } from './caps.js';
import type { Gpu } from './device.js';
import type { KernelPlan, PlanSettings, ReadsOf, Recordable, Slot } from './dispatch.js';
import { type Fork, type Route, routeFor } from './fork.js';
import { toHalf, wholeWords } from './half.js';
import { bytesOf, type Dtype, type Storage, sizeOf, type Tensor } from './tensor.js';
import { PassTimer, type PassTimes } from './timing.js';
import type { Tunable } from './tuner.js';
import { usage } from './usage.js';
import { Value, type ValueRoot } from './value.js';

type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never;
/** One value for a kernel with one result, else a record by result name. */
export type Recorded<Results extends string> =
  IsUnion<Results> extends true ? Readonly<Record<Results, Value>> : Value;

/** How values are stored is not a dispatch's own choice: see {@link Recorder.storing}. */
export interface RecordSettings extends Omit<PlanSettings, 'storage'> {
  /** Write the (single) result into this value instead of a new one: for kernels that fill a part of it. */
  readonly into?: Value | undefined;
}

/** One dispatch of a recording. */
export interface PlannedStep extends KernelPlan {
  /** What it was recorded for: see {@link Recorder.during}. */
  readonly part: string | undefined;
}

/** What a recording will cost, before it runs. */
export interface RunPlan {
  readonly steps: readonly PlannedStep[];
  readonly dispatches: number;
  readonly flops: number;
  /** Bytes read and written by all dispatches, each tensor once a dispatch. */
  readonly bytes: number;
  /** Command buffers it goes into, one after the other. */
  readonly submissions: number;
  /** Bytes of intermediate values (the arena's lanes together). */
  readonly arenaBytes: number;
  /** Bytes of the outputs that stay. */
  readonly outputBytes: number;
  /** Bytes of the recorded constants and tensors read from outside (weights, input). */
  readonly inputBytes: number;
  /** arena + outputs + inputs. */
  readonly peakBytes: number;
}

/** What runs for some outputs, in order, and where each value lies. */
export interface Schedule {
  readonly steps: readonly Step[];
  /** Intermediate values, and in the same order their places. */
  readonly arena: readonly ValueRoot[];
  readonly layout: Layout;
  readonly kept: readonly Value[];
  readonly cost: RunPlan;
}

interface Step extends Tunable {
  /** Plans the same for other caps; undefined where the caller named variant or caps. */
  readonly replan: ((caps: Caps) => KernelPlan) | undefined;
  /** What {@link plan} was made for. */
  readonly caps: Caps;
  /** What it was recorded for. */
  readonly part: string | undefined;
  /** The submission which begins with it; undefined if none begins here. */
  readonly begins: Cut | undefined;
  /** The fork that it is a step of; undefined where there is one route, or the caller named caps. */
  readonly taken?: Taken;
}

/** The route that a recording takes at a fork. */
interface Taken {
  readonly fork: Fork;
  readonly route: Route;
  /** What the fork gives, whichever route is taken. */
  readonly value: Value;
}

/** When a submission is needed: what the GPU has counted decides while the recording runs. */
export interface Needed {
  /** u32, written by an earlier submission. */
  readonly counts: Value;
  /** The submission runs if `counts[at]` is larger than `above`. */
  readonly at: number;
  readonly above: number;
}

/** How a submission begins. */
interface Cut {
  readonly work: number;
  readonly needed?: Needed | undefined;
}

export interface RunOptions {
  /** Stops a sliced recording between two submissions; the run then rejects with the signal's reason and leaves nothing behind. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each submission of a sliced recording, with the work done and all there is (see {@link Recorder.cut}). */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Records dispatches without running them, then plans their memory, makes the missing pipelines in parallel, and
 * runs them all in one command buffer. Steps whose results nobody needs are left out.
 *
 * Recording needs only {@link Caps}, so a plan can be had without a device.
 */
export class Recorder {
  #steps: Step[] = [];
  /** Whether variants are the tuner's to choose: not where a caller plans for other caps than the device's. */
  readonly #isTuned: boolean;

  constructor(
    readonly caps: Caps,
    readonly gpu?: Gpu,
  ) {
    this.#isTuned = gpu?.tuner !== undefined && caps === gpu.caps;
  }

  /** A recorder for a device. */
  static on(gpu: Gpu): Recorder {
    return new Recorder(gpu.caps, gpu);
  }

  /** Number of recorded dispatches, needed or not. */
  get length(): number {
    return this.#steps.length;
  }

  /** Records a kernel and returns its result (or results by name). */
  k = <Reads extends string, Results extends string, Options>(
    kernel: Recordable<Reads, Results, Options>,
    reads: ReadsOf<Reads, Value | Tensor>,
    options?: Options,
    settings: RecordSettings = {},
  ): Recorded<Results> => {
    const values = Object.fromEntries(
      Object.entries(reads as Record<string, Value | Tensor | undefined>)
        .filter(([, t]) => t !== undefined)
        .map(([name, t]) => [name, this.value(t!)]),
    ) as ReadsOf<Reads, Value>;
    const storage = this.#storage;
    const plan = kernel.plan(values, options, {
      caps: settings.caps ?? this.caps,
      variant: settings.variant,
      storage,
    });
    const results = {} as Record<Results, Value>;
    for (const name of kernel.resultNames) {
      const { shape, dtype } = plan.results[name];
      const into = settings.into;
      if (into && into.size !== sizeOf(shape)) {
        throw new ShapeError(`${kernel.name}: into [${into.shape}] should be [${shape}]`);
      }
      results[name] = into ?? computed(shape, dtype);
    }
    checkTypes(plan, { ...values, ...results });
    const caps = settings.caps ?? this.caps;
    // Only what will be tuned needs to be planned again: recordings of thousands of steps keep no more than they must.
    const isTuned =
      this.#isTuned && !settings.caps && settings.variant === undefined && storage === 'f32';
    const { candidates } = kernel;
    this.#steps.push({
      plan,
      tensors: kernel.order(values, results),
      part: this.#part,
      begins: this.#cut,
      caps,
      replan: isTuned ? (caps) => kernel.plan(values, options, { caps }) : undefined,
      candidates:
        isTuned && candidates ? (caps) => candidates(values, options, { caps }) : undefined,
    });
    this.#cut = undefined;
    return (kernel.resultNames.length === 1
      ? results[kernel.resultNames[0]]
      : results) as unknown as Recorded<Results>;
  };

  /**
   * Records a value that can be computed by several routes, by the one that suits the device. Where the device is tuned, a run may take another.
   *
   * @param into what it fills; without, a new value
   */
  fork(fork: Fork, into?: Value): Value {
    return this.#take(fork, routeFor(fork, this.caps), into);
  }

  #take(fork: Fork, route: Route, into: Value | undefined): Value {
    const first = this.#steps.length;
    const value = route.record(this, (name) => this.value(fork.reads[name]!.make()), into);
    if (this.#isTuned && fork.routes.length > 1) {
      const taken = { fork, route, value };
      for (let i = first; i < this.#steps.length; i++) {
        this.#steps[i] = { ...this.#steps[i], taken };
      }
    }
    return value;
  }

  #part: string | undefined;

  /** Records under a name: a plan says of each dispatch what it is for (a layer, say). */
  during<T>(part: string, record: () => T): T {
    const before = this.#part;
    this.#part = part;
    try {
      return record();
    } finally {
      this.#part = before;
    }
  }

  #storage: Storage = 'f32';

  /** How floats are stored that are recorded now: see {@link storing}. */
  get storage(): Storage {
    return this.#storage;
  }

  /**
   * Records with float values stored so: what kernels read and write, blank values, constants. Outside it is `f32`. A kernel that is given a value stored
   * otherwise is a ShapeError: `narrow` and `widen` make one from the other.
   */
  storing<T>(storage: Storage, record: () => T): T {
    const before = this.#storage;
    this.#storage = storage;
    try {
      return record();
    } finally {
      this.#storage = before;
    }
  }

  #cut: Cut | undefined;

  /**
   * Lets a new submission begin with what is recorded next: long recordings are cut so that no submission comes near a watchdog.
   * Between submissions the run waits for the GPU, reports progress and can be stopped.
   *
   * @param work what the submission does, in units of the caller's (masked copies, steps): only progress depends on it
   * @param needed when it is; without, always. Values that a skipped submission would have written are undefined: who reads them must not mind.
   */
  cut(work = 0, needed?: Needed): void {
    this.#cut = { work, needed };
  }

  /** A value with no elements yet, to be filled by kernels through `into`. */
  blank(shape: readonly number[], dtype: Dtype = this.#storage): Value {
    return computed(shape, dtype);
  }

  /** A value with these elements, uploaded when the recording runs. */
  constant(data: Float32Array | Uint32Array, shape: readonly number[] = [data.length]): Value {
    if (data.length !== sizeOf(shape)) {
      throw new ShapeError(
        `constant: [${shape}] holds ${sizeOf(shape)} elements, got ${data.length}`,
      );
    }
    if (data instanceof Float32Array && this.#storage === 'f16') {
      const bits = wholeWords(toHalf(data));
      return new Value(shape, 'f16', { kind: 'constant', bytes: 2 * data.length, data: bits });
    }
    const dtype = data instanceof Float32Array ? 'f32' : 'u32';
    return new Value(shape, dtype, { kind: 'constant', bytes: data.byteLength, data });
  }

  /** A tensor as a value of this recording. */
  value(t: Value | Tensor): Value {
    if (t instanceof Value) return t;
    return new Value(t.shape, t.dtype, this.#rootOf(t));
  }

  #roots = new Map<Tensor, ValueRoot>();
  #rootOf(tensor: Tensor): ValueRoot {
    let root = this.#roots.get(tensor);
    if (!root) {
      root = { kind: 'tensor', bytes: tensor.byteLength, tensor };
      this.#roots.set(tensor, root);
    }
    return root;
  }

  /** What running for these outputs will cost; nothing runs. */
  plan(outputs: readonly Value[]): RunPlan {
    return this.schedule(outputs).cost;
  }

  /**
   * Runs what the outputs need, in one command buffer (or one for each slice between {@link cut}s), and returns them as tensors,
   * which the caller owns and must destroy. Does not wait for the GPU after the last.
   *
   * @throws DeviceError if the device is lost, refuses a shader or is out of memory.
   */
  async run(outputs: readonly Value[], options: RunOptions = {}): Promise<Tensor[]> {
    return (await this.#execute(outputs, false, options)).tensors;
  }

  /** As {@link run}, with the milliseconds of each dispatch where the device has `timestamp-query`. */
  async profile(outputs: readonly Value[]): Promise<{ tensors: Tensor[]; times?: PassTimes }> {
    return this.#execute(outputs, true, {});
  }

  async #execute(outputs: readonly Value[], timed: boolean, { signal, onProgress }: RunOptions) {
    const gpu = this.gpu;
    if (!gpu) throw new ShapeError('Recorder.run: made without a Gpu: it can only plan');
    const { steps, arena, layout, kept } = await this.#tuned(gpu, outputs, signal);
    await gpu.guard(gpu.pipelines.prepare(steps.map((s) => s.plan)));
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
      const total = sum(slices.map((s) => s.work));
      let done = 0;
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
        if (slices.length === 1) break;
        if (isNeeded) await gpu.idle();
        done += slices[n].work;
        if (slices[n].work > 0) onProgress?.(done, total);
        signal?.throwIfAborted();
      }
      // Destroying is allowed at once: what was submitted still runs on the memory.
      return {
        tensors: outputs.map((value) => {
          const tensor = owned.get(value.root);
          if (tensor && tensor.shape === value.shape) return tensor;
          return this.#outputView(value, tensor);
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

  /** The schedule, with variants chosen by measurement where the device is tuned. */
  async #tuned(
    gpu: Gpu,
    outputs: readonly Value[],
    signal: AbortSignal | undefined,
  ): Promise<Schedule> {
    const { tuner } = gpu;
    if (!tuner || !this.#isTuned) return this.schedule(outputs);
    const forks = this.schedule(outputs).steps.flatMap(({ taken }) => taken?.fork ?? []);
    await tuner.settleForks(forks, signal);
    this.#takeRoutes(gpu.caps);
    await tuner.settle(this.schedule(outputs).steps, signal);
    const { caps } = gpu;
    // New steps in place of the old: a run of this recording that is under way keeps what it has prepared.
    this.#steps.forEach((step, i) => {
      if (!step.replan || step.caps === caps) return;
      this.#steps[i] = { ...step, caps, plan: step.replan(caps) };
      this.#last = undefined;
    });
    return this.schedule(outputs);
  }

  /** Records forks anew where other routes are chosen than they were recorded by. */
  #takeRoutes(caps: Caps): void {
    const before = this.#steps;
    const isOther = ({ taken }: Step) =>
      taken !== undefined && routeFor(taken.fork, caps) !== taken.route;
    if (!before.some(isOther)) return;
    const [part, cut] = [this.#part, this.#cut];
    this.#steps = [];
    before.forEach((step, i) => {
      const { taken } = step;
      if (!taken || !isOther(step)) this.#steps.push(step);
      else if (before[i - 1]?.taken !== taken) {
        [this.#part, this.#cut] = [step.part, step.begins];
        this.#take(taken.fork, routeFor(taken.fork, caps), taken.value);
      }
    });
    [this.#part, this.#cut, this.#last] = [part, cut, undefined];
  }

  #outputView(value: Value, tensor: Tensor | undefined): Tensor {
    if (tensor) return tensor.reshape(value.shape);
    if (value.root.kind === 'tensor') return value.root.tensor.reshape(value.shape);
    throw new ShapeError('Recorder.run: an output is a placeholder: it can only be planned');
  }

  /** The last schedule made, for those who plan first and run then. */
  #last: { outputs: readonly Value[]; steps: number; schedule: Schedule } | undefined;

  /** What running for these outputs will do, in which memory; nothing runs. */
  schedule(outputs: readonly Value[]): Schedule {
    const last = this.#last;
    const isSame =
      last?.steps === this.#steps.length &&
      last.outputs.length === outputs.length &&
      last.outputs.every((value, i) => value === outputs[i]);
    if (last && isSame) return last.schedule;
    const schedule = this.#scheduled(outputs);
    this.#last = { outputs: [...outputs], steps: this.#steps.length, schedule };
    return schedule;
  }

  /** The needed steps in order. A submission that begins with a step that is not, begins with the next. */
  #only(needed: ReadonlySet<Step>): Step[] {
    let begins: Cut | undefined;
    return this.#steps.flatMap((step) => {
      begins = step.begins ?? begins;
      if (!needed.has(step)) return [];
      const kept = step.begins === begins ? step : { ...step, begins };
      begins = undefined;
      return [kept];
    });
  }

  #scheduled(outputs: readonly Value[]): Schedule {
    const wanted = new Set(outputs.map((v) => v.root));
    const needed = new Set<Step>();
    let hasWork = false; // whether the submission that is gone through, from its end, keeps a step
    for (let i = this.#steps.length - 1; i >= 0; i--) {
      const step = this.#steps[i];
      const isWritten = (j: number) => step.plan.bindings[j].access === 'write';
      if (step.tensors.some((t, j) => isWritten(j) && wanted.has(t.root))) {
        for (const t of step.tensors) wanted.add(t.root);
        needed.add(step);
        hasWork = true;
      }
      if (!step.begins) continue;
      if (hasWork && step.begins.needed) wanted.add(step.begins.needed.counts.root);
      hasWork = false;
    }
    const steps = this.#only(needed);
    const counts = steps.flatMap(({ begins }) => begins?.needed?.counts ?? []);
    checkWritten(steps, outputs);

    const kept: Value[] = [];
    for (const value of [...outputs, ...counts]) {
      const outer = value.root.kind === 'tensor' || value.root.kind === 'placeholder';
      if (!outer && !kept.some((k) => k.root === value.root)) kept.push(value);
    }
    const keptRoots = new Set(kept.map((v) => v.root));
    const spans = new Map<ValueRoot, { bytes: number; birth: number; death: number }>();
    let inputBytes = 0;
    const outside = new Set<ValueRoot>();
    steps.forEach(({ tensors }, i) => {
      for (const { root } of tensors) {
        if (root.kind === 'tensor' || root.kind === 'placeholder') {
          if (!outside.has(root)) inputBytes += root.bytes;
          outside.add(root);
        } else if (!keptRoots.has(root)) {
          const span = spans.get(root);
          // Constants are written before the first step.
          if (!span)
            spans.set(root, {
              bytes: root.bytes,
              birth: root.kind === 'constant' ? -1 : i,
              death: i,
            });
          else span.death = i;
        }
      }
    });
    const arena = [...spans.keys()];
    const index = new Map(arena.map((root, i) => [root, i]));
    const conflicts: [number, number][] = [];
    for (const { plan, tensors } of steps) {
      for (let a = 0; a < tensors.length; a++) {
        if (plan.bindings[a].access !== 'write') continue;
        const ia = index.get(tensors[a].root);
        if (ia === undefined) continue;
        for (let b = 0; b < tensors.length; b++) {
          const ib = index.get(tensors[b].root);
          if (ib !== undefined && plan.bindings[b].access === 'read') conflicts.push([ia, ib]);
        }
      }
    }
    const layout = layOut([...spans.values()], conflicts, {
      alignment: this.caps.limits.minStorageBufferOffsetAlignment,
      maxLane: this.caps.limits.maxBufferSize,
    });
    const arenaBytes = sum(layout.lanes);
    const outputBytes = sum(kept.map((v) => v.root.bytes));
    const cost: RunPlan = {
      steps: steps.map(({ plan, part }) => ({ ...plan, part })),
      dispatches: steps.length,
      submissions: slicesOf(steps).length,
      flops: sum(steps.map((s) => s.plan.flops)),
      bytes: sum(steps.map((s) => s.plan.bytes)),
      arenaBytes,
      outputBytes,
      inputBytes,
      peakBytes: arenaBytes + outputBytes + inputBytes,
    };
    return { steps, arena, layout, kept, cost };
  }
}

function computed(shape: readonly number[], dtype: Dtype): Value {
  return new Value(shape, dtype, { kind: 'computed', bytes: sizeOf(shape) * bytesOf(dtype) });
}

/** Throws where a kernel that was planned for one element type is given another. */
function checkTypes(
  { kernel, bindings }: KernelPlan,
  given: Readonly<Record<string, Value | undefined>>,
): void {
  for (const { name, dtype } of bindings) {
    const value = given[name];
    if (value && bytesOf(value.dtype) !== bytesOf(dtype)) {
      throw new ShapeError(
        `${kernel}: ${name} [${value.shape}] is stored as ${value.dtype}, should be ${dtype}: see Recorder.storing`,
      );
    }
  }
}

/** Throws where a blank value is read, or asked for, that no step has filled. */
function checkWritten(steps: readonly Step[], outputs: readonly Value[]): void {
  const written = new Set<ValueRoot>();
  const check = ({ root, shape }: Value, who: string) => {
    if (root.kind === 'computed' && !written.has(root)) {
      throw new ShapeError(
        `${who}: a value [${shape}] should be written by an earlier kernel, none was recorded`,
      );
    }
  };
  for (const { plan, tensors } of steps) {
    const isRead = (_: Value, i: number) => plan.bindings[i].access === 'read';
    for (const value of tensors.filter(isRead)) check(value, plan.kernel);
    tensors.forEach(({ root }, i) => {
      if (plan.bindings[i].access === 'write') written.add(root);
    });
  }
  for (const value of outputs) check(value, 'Recorder: an output');
}

const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);

/** A run of steps that goes into one submission. */
interface Slice extends Cut {
  readonly first: number;
  readonly end: number;
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

/** The runs of steps that go into one submission each, with the work each does. */
function slicesOf(steps: readonly Step[]): Slice[] {
  const starts = [
    0,
    ...steps.flatMap(({ begins }, i) => (begins !== undefined && i > 0 ? [i] : [])),
  ];
  const slices = starts.map((first, n) => ({
    first,
    end: starts[n + 1] ?? steps.length,
    work: steps[first]?.begins?.work ?? 0,
    needed: steps[first]?.begins?.needed,
  }));
  // Where nobody says what the work is, submissions are counted.
  return slices.some((s) => s.work > 0) ? slices : slices.map((s) => ({ ...s, work: 1 }));
}
