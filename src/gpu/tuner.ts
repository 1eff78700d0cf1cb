import type { Caps, Choices } from './caps.js';
import type { Gpu } from './device.js';
import type { KernelPlan, Slot } from './dispatch.js';
import { shapeClass } from './shape-class.js';
import { PassTimer } from './timing.js';
import { addToTable, merged, readTable, tableKey } from './tuned-table.js';
import { usage } from './usage.js';
import type { Value, ValueRoot } from './value.js';

/**
 * When variants are timed: `never`; `first-use` of a kernel with a class of shapes, some milliseconds each; `full`, the same for longer.
 */
export type TuneMode = 'never' | 'first-use' | 'full';

/** A recorded dispatch that there may be a choice for. */
export interface Tunable {
  readonly plan: KernelPlan;
  readonly tensors: readonly Value[];
  /** The plans to time, the one taken without timing first; undefined where the choice is not the tuner's. */
  readonly candidates: ((caps: Caps) => readonly KernelPlan[]) | undefined;
}

/** What the timing of one kernel with one class of shapes gave. */
export interface Measurement {
  readonly kernel: string;
  readonly shapeClass: string;
  /** Sizes it was timed with, of which the class has others too. */
  readonly sizes: Readonly<Record<string, number>>;
  /** What a plan took before. */
  readonly automatic: string;
  readonly winner: string;
  /** Milliseconds a dispatch, the median, by variant; those that the device refused are missing. */
  readonly timesMs: Readonly<Record<string, number>>;
}

interface Effort {
  /** Dispatches are repeated within a sample until it takes so long: browsers tell time in steps of 0.1 ms. */
  readonly sampleMs: number;
  /** Rounds go on for so long a candidate, between the least and the most. */
  readonly budgetMs: number;
  readonly leastRounds: number;
  readonly mostRounds: number;
}

const efforts: Readonly<Record<Exclude<TuneMode, 'never'>, Effort>> = {
  'first-use': { sampleMs: 1.5, budgetMs: 5, leastRounds: 2, mostRounds: 3 },
  full: { sampleMs: 5, budgetMs: 50, leastRounds: 3, mostRounds: 15 },
};

/** Dispatches of one sample at most. */
const mostRepeats = 256;
/** Memory that timing may take, of what a buffer may hold. */
const scratchShare = 1 / 4;
const mostScratchBytes = 256 * 1024 * 1024;
/** A first run so many times slower than the best so far ends a candidate's trial; so does, in the rounds, one that lags by half. */
const hopeless = 3;
const lagging = 1.5;
/** The first dispatch may include work of the driver's: it ends a trial only when it is slower still, and long. */
const hopelessWarmUp = { times: 20, ms: 100 };
/** What the winner must take of the automatic choice's time: without a clear gain nothing changes. */
const clearly = 0.95;

/** Numbers that stand for activations: from 0 to 1, in no order. */
const patternLength = 65536;

/** Times variants on one device and remembers which were fastest. */
export class Tuner {
  readonly #key: string;
  readonly #effort: Effort;
  /** Without choices measured here. */
  readonly #base: Caps;
  #caps: Caps;
  /** Measured on this device, now or earlier. */
  #own: Choices = {};
  #loaded: Promise<void> | undefined;
  /** What cannot be timed keeps the automatic choice, and is not tried again. */
  readonly #passed = new Set<string>();
  readonly #measured: Measurement[] = [];
  /** Timings of two runs at once would tell nothing: each waits for the one before it. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly gpu: Gpu,
    readonly mode: Exclude<TuneMode, 'never'>,
    caps: Caps,
  ) {
    this.#base = caps;
    this.#caps = caps;
    this.#effort = efforts[mode];
    this.#key = tableKey(gpu.info);
  }

  /** The device's caps with all choices known so far. The object changes when they do; its content never. */
  get caps(): Caps {
    return this.#caps;
  }

  /** What was timed since the device was requested, in order. */
  get measured(): readonly Measurement[] {
    return this.#measured;
  }

  /** Takes over what was measured on this adapter earlier. Never rejects. */
  load(): Promise<void> {
    this.#loaded ??= (async () => {
      const full = await readTable(`${this.#key}-full`);
      // What was measured for longer stands, whoever asks.
      const quick = this.mode === 'full' ? {} : await readTable(this.#key);
      this.#choose(merged(quick, full));
    })();
    return this.#loaded;
  }

  /**
   * Times what has not been chosen yet among these dispatches, and keeps the winners. What does not fit into the memory for timing, or reads
   * positions that only the steps before it would compute, keeps its automatic choice.
   *
   * @throws DeviceError if the device is lost; the signal's reason if it is aborted. No buffer is left in either case.
   */
  async settle(steps: readonly Tunable[], signal?: AbortSignal): Promise<void> {
    await this.load();
    if (this.#open(steps).size === 0) return;
    const turn = this.#turn.then(() => this.#settle(steps, signal));
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  async #settle(steps: readonly Tunable[], signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const open = [...this.#open(steps)].map(([name, step]) => ({
      name,
      step,
      plans: step.candidates!(this.#caps),
    }));
    // All at once: drivers compile in parallel. What is refused is told apart below.
    const all = open.filter(({ plans }) => plans.length > 1).flatMap(({ plans }) => plans);
    await this.gpu.guard(this.gpu.pipelines.prepare(all)).catch(() => this.#checkDevice());
    const found: Record<string, Record<string, string>> = {};
    try {
      for (const { name, step, plans } of open) {
        signal?.throwIfAborted();
        const measurement = plans.length > 1 ? await this.#measure(step, plans, signal) : undefined;
        if (!measurement) {
          this.#passed.add(name);
          continue;
        }
        this.#measured.push(measurement);
        found[measurement.kernel] ??= {};
        found[measurement.kernel][measurement.shapeClass] = measurement.winner;
      }
    } finally {
      // What is known already serves the next run, though this one was stopped.
      if (Object.keys(found).length > 0) this.#choose(found);
    }
    if (Object.keys(found).length > 0) {
      await addToTable(this.mode === 'full' ? `${this.#key}-full` : this.#key, found);
    }
  }

  #choose(choices: Choices): void {
    this.#own = merged(this.#own, choices);
    this.#caps = { ...this.#base, choices: merged(this.#base.choices ?? {}, this.#own) };
  }

  /** One step of each kernel and class that is neither chosen nor passed over. */
  #open(steps: readonly Tunable[]): Map<string, Tunable> {
    const open = new Map<string, Tunable>();
    for (const step of steps) {
      if (!step.candidates) continue;
      const { kernel, sizes } = step.plan;
      const shapes = shapeClass(sizes);
      const name = `${kernel} ${shapes}`;
      if (this.#own[kernel]?.[shapes] !== undefined || this.#passed.has(name)) continue;
      if (!open.has(name)) open.set(name, step);
    }
    return open;
  }

  #checkDevice(): void {
    if (this.gpu.lostError) throw this.gpu.lostError;
  }

  /** Times the plans on the step's shapes; undefined where that is not possible. */
  async #measure(
    step: Tunable,
    plans: readonly KernelPlan[],
    signal: AbortSignal | undefined,
  ): Promise<Measurement | undefined> {
    const { limits } = this.#base;
    const scratch = scratchFor(step);
    const most = Math.min(mostScratchBytes, limits.maxBufferSize * scratchShare);
    if (!scratch || scratch.bytes > most) return undefined;
    const buffers: GPUBuffer[] = [];
    try {
      const slots = await this.gpu.scoped('tune', () => this.#fill(scratch, buffers));
      const times = await this.#compare(plans, slots, signal);
      const [{ kernel, sizes, variant: automatic }] = plans;
      const usual = times.get(automatic);
      if (usual === undefined) return undefined;
      const [best, bestMs] = [...times].reduce((a, b) => (b[1] < a[1] ? b : a));
      return {
        kernel,
        sizes,
        automatic,
        shapeClass: shapeClass(sizes),
        winner: bestMs < clearly * usual ? best : automatic,
        timesMs: Object.fromEntries(times),
      };
    } catch (error) {
      this.#checkDevice();
      if (signal?.aborted) throw error;
      // Too little memory, or a dispatch that the device refuses: the run itself will tell if it cannot do without.
      return undefined;
    } finally {
      for (const buffer of buffers) this.gpu.release(buffer);
    }
  }

  /** Makes the scratch buffers, in binding order. */
  #fill(scratch: Scratch, buffers: GPUBuffer[]): Slot[] {
    const { gpu } = this;
    const storage = usage.storage | usage.copyDst;
    const pattern = gpu.createBuffer(4 * patternLength, usage.copySrc | usage.copyDst, 'pattern');
    buffers.push(pattern);
    gpu.device.queue.writeBuffer(pattern, 0, patternNumbers());
    const encoder = gpu.device.createCommandEncoder({ label: 'tune' });
    const made = new Map<ValueRoot, GPUBuffer>();
    for (const { root, bytes } of scratch.made) {
      const buffer = gpu.createBuffer(bytes, storage, 'tune');
      buffers.push(buffer);
      made.set(root, buffer);
      if (root.kind === 'constant') {
        gpu.device.queue.writeBuffer(buffer, 0, root.data as Float32Array<ArrayBuffer>);
        continue;
      }
      for (let at = 0; at < bytes; at += 4 * patternLength) {
        const size = Math.min(4 * patternLength, Math.ceil((bytes - at) / 4) * 4);
        encoder.copyBufferToBuffer(pattern, 0, buffer, at, size);
      }
    }
    gpu.device.queue.submit([encoder.finish()]);
    return scratch.bindings.map(({ root, size, isOwn }) =>
      root.kind === 'tensor' && !isOwn
        ? { buffer: root.tensor.buffer, offset: root.tensor.offset, size }
        : { buffer: made.get(root)!, offset: 0, size },
    );
  }

  /** Milliseconds a dispatch of each plan, by variant; those that cannot run are missing. */
  async #compare(
    plans: readonly KernelPlan[],
    slots: readonly Slot[],
    signal: AbortSignal | undefined,
  ): Promise<Map<string, number>> {
    const { sampleMs, budgetMs, leastRounds, mostRounds } = this.#effort;
    const times = new Map<string, number>();
    let running: Trial[] = [];
    let best = Number.POSITIVE_INFINITY;
    for (const plan of plans) {
      signal?.throwIfAborted();
      const trial: Trial = { plan, repeats: 1, samples: [], spentMs: 0 };
      try {
        await this.gpu.guard(this.gpu.pipelines.prepare([plan]));
        const [warmUp] = await this.#time([trial], slots);
        const { times: factor, ms } = hopelessWarmUp;
        const isHopeless = warmUp > ms && warmUp > factor * best;
        const first = isHopeless ? warmUp : (await this.#time([trial], slots))[0];
        times.set(plan.variant, first);
        if (first > hopeless * best) continue;
        best = Math.min(best, first);
        trial.repeats = first > 0 ? clamp(Math.ceil(sampleMs / first), 1, mostRepeats) : 64;
        if (trial.repeats === 1) trial.samples.push(first);
        running.push(trial);
      } catch {
        this.#checkDevice();
      }
    }
    for (let round = 0; round < mostRounds; round++) {
      // The automatic choice loses only after as many samples as the winner has: one slow moment is no reason to leave it.
      const isNear = ({ plan }: Trial) =>
        (plan === plans[0] && round < leastRounds) || times.get(plan.variant)! <= lagging * best;
      running = running.filter(isNear);
      const isDone = running.every(({ spentMs }) => spentMs >= budgetMs);
      if (running.length < 2 || (round >= leastRounds && isDone)) break;
      signal?.throwIfAborted();
      // One after the other in each round, so that a slow moment of the machine's hits all.
      const taken = await this.#time(running, slots);
      running.forEach((trial, i) => {
        trial.spentMs += taken[i] * trial.repeats;
        trial.samples.push(taken[i]);
        times.set(trial.plan.variant, median(trial.samples));
      });
      best = Math.min(...running.map(({ plan }) => times.get(plan.variant)!));
    }
    return times;
  }

  /** Milliseconds a dispatch, by the GPU's clock where there is one. */
  async #time(trials: readonly Trial[], slots: readonly Slot[]): Promise<number[]> {
    const { gpu } = this;
    const run = (trials: readonly Trial[], timer?: PassTimer) =>
      gpu.scoped('tune', () => {
        const encoder = gpu.device.createCommandEncoder({ label: 'tune' });
        trials.forEach(({ plan, repeats }, i) => {
          const pass = encoder.beginComputePass({ label: plan.kernel, ...timer?.writes(i) });
          for (let n = 0; n < repeats; n++) gpu.pipelines.record(pass, plan, slots);
          pass.end();
        });
        timer?.resolve(encoder);
        gpu.device.queue.submit([encoder.finish()]);
      });
    const timer = PassTimer.on(gpu, trials.length);
    if (timer) {
      try {
        await run(trials, timer);
        const times = await timer.read(trials.map(({ plan }) => plan));
        return times.map(({ timeMs }, i) => Math.max(0, timeMs) / trials[i].repeats);
      } finally {
        timer.destroy();
      }
    }
    const times: number[] = [];
    for (const trial of trials) {
      const start = performance.now();
      await run([trial]);
      await gpu.idle();
      times.push((performance.now() - start) / trial.repeats);
    }
    return times;
  }
}

interface Trial {
  readonly plan: KernelPlan;
  repeats: number;
  readonly samples: number[];
  spentMs: number;
}

/** Buffers that stand for those of a step. */
interface Scratch {
  readonly made: readonly { readonly root: ValueRoot; readonly bytes: number }[];
  readonly bytes: number;
  readonly bindings: readonly {
    readonly root: ValueRoot;
    readonly size: number;
    /** Whether it is a made one, though the tensor is there. */
    readonly isOwn: boolean;
  }[];
}

/**
 * What timing a step needs: tensors that are there (weights) are read where they lie, all that is written gets memory of its own.
 * Undefined where the step reads whole numbers that have not been computed yet: as positions they would lead anywhere.
 */
function scratchFor({ plan, tensors }: Tunable): Scratch | undefined {
  const made = new Map<ValueRoot, number>();
  const bindings: Scratch['bindings'][number][] = [];
  for (const [i, { root, byteLength }] of tensors.entries()) {
    const { access, dtype } = plan.bindings[i];
    if (root.kind === 'placeholder') return undefined;
    if (access === 'read' && root.kind === 'computed' && dtype !== 'f32') return undefined;
    const isOwn = access === 'write' || root.kind !== 'tensor';
    if (isOwn) made.set(root, root.bytes);
    bindings.push({ root, isOwn, size: Math.max(4, Math.ceil(byteLength / 4) * 4) });
  }
  const list = [...made].map(([root, bytes]) => ({ root, bytes }));
  const bytes = list.reduce((sum, { bytes }) => sum + bytes, 4 * patternLength);
  return { made: list, bytes, bindings };
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

function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

const clamp = (value: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, value));
