import { ShapeError } from '../errors.js';
import type { Caps } from './caps.js';
import type { Gpu } from './device.js';
import type { KernelPlan, PlanSettings, ReadsOf, Recordable } from './dispatch.js';
import { execute, type RunOptions } from './execute.js';
import { type Fork, type Route, routeFor } from './fork.js';
import { toHalf, wholeWords } from './half.js';
import {
  type Cut,
  type Needed,
  type RunPlan,
  type Schedule,
  type Step,
  scheduleOf,
} from './schedule.js';
import { bytesOf, type Dtype, type Storage, sizeOf, type Tensor } from './tensor.js';
import type { PassTimes } from './timing.js';
import { Value, type ValueRoot } from './value.js';

export type { RunOptions } from './execute.js';
export type { Needed, PlannedStep, RunPlan, Schedule } from './schedule.js';

type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never;
/** One value for a kernel with one result, else a record by result name. */
export type Recorded<Results extends string> =
  IsUnion<Results> extends true ? Readonly<Record<Results, Value>> : Value;

/** How values are stored is not a dispatch's own choice: see {@link Recorder.storing}. */
export interface RecordSettings extends Omit<PlanSettings, 'storage'> {
  /** Write the (single) result into this value instead of a new one: for kernels that fill a part of it. */
  readonly into?: Value | undefined;
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
    // As of kernels' variants: 16 bits take what is chosen for 32, and nothing is timed for them.
    if (this.#isTuned && this.#storage === 'f32' && fork.routes.length > 1) {
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
   * Between submissions the run reports progress and can be stopped; it waits for one while the next runs.
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
    const made = new Value(shape, dtype, { kind: 'constant', bytes: data.byteLength, data });
    if (dtype === 'f32' || data.length > 8) return made;
    const key = `${shape} ${data}`;
    const value = this.#places.get(key) ?? made;
    this.#places.set(key, value);
    return value;
  }

  /**
   * A few whole numbers tell a dispatch where it begins. Long recordings say the same to thousands of them, each batch anew, and a constant has memory for the whole run: so
   * equal ones are one value.
   */
  readonly #places = new Map<string, Value>();

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

  async #execute(outputs: readonly Value[], timed: boolean, options: RunOptions) {
    const { gpu } = this;
    if (!gpu) throw new ShapeError('Recorder.run: made without a Gpu: it can only plan');
    const schedule = await this.#tuned(gpu, outputs, options.signal);
    return execute(gpu, schedule, outputs, timed, options);
  }

  /** The schedule, with variants chosen by measurement where the device is tuned. */
  async #tuned(
    gpu: Gpu,
    outputs: readonly Value[],
    signal: AbortSignal | undefined,
  ): Promise<Schedule> {
    const { tuner } = gpu;
    if (!tuner || !this.#isTuned) return this.schedule(outputs);
    await gpu.settled(); // a race takes any error for the candidate's own
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
    const schedule = scheduleOf(this.#steps, outputs, this.caps);
    this.#last = { outputs: [...outputs], steps: this.#steps.length, schedule };
    return schedule;
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
