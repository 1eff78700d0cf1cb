import type { Caps, Choices } from './caps.js';
import type { Gpu } from './device.js';
import type { KernelPlan, Slot } from './dispatch.js';
import type { Fork, Route } from './fork.js';
import { type Candidate, type Effort, race } from './race.js';
import { Recorder, type Schedule } from './recorder.js';
import { type Demand, Scratch } from './scratch.js';
import { shapeClass } from './shape-class.js';
import { addToTable, merged, readTable, tableKey } from './tuned-table.js';
import { placeholder, type Value, type ValueRoot } from './value.js';

/** Every {@link TuneMode}, the default first. */
export const tuneModes = ['never', 'first-use', 'full'] as const;

/**
 * When variants are timed: `never`; `first-use` of a kernel with a class of shapes, some milliseconds each; `full`, the same for longer.
 */
export type TuneMode = (typeof tuneModes)[number];

/** A recorded dispatch that there may be a choice for. */
export interface Tunable {
  readonly plan: KernelPlan;
  readonly tensors: readonly Value[];
  /** The plans to time, the one taken without timing first; undefined where the choice is not the tuner's. */
  readonly candidates: ((caps: Caps) => readonly KernelPlan[]) | undefined;
}

/** What the timing of one kernel, or one fork, with one class of shapes gave. */
export interface Measurement {
  /** The kernel's or the fork's name. */
  readonly kernel: string;
  readonly shapeClass: string;
  /** Sizes it was timed with, of which the class has others too. */
  readonly sizes: Readonly<Record<string, number>>;
  /** What a plan took before. */
  readonly automatic: string;
  readonly winner: string;
  /** Milliseconds, the median, by variant (or route, all its dispatches); those that the device refused are missing. */
  readonly timesMs: Readonly<Record<string, number>>;
}

const efforts: Readonly<Record<Exclude<TuneMode, 'never'>, Effort>> = {
  'first-use': { sampleMs: 1.5, budgetMs: 5, leastRounds: 2, mostRounds: 3 },
  full: { sampleMs: 5, budgetMs: 50, leastRounds: 3, mostRounds: 15 },
};

/** Memory that timing may take, of what a buffer may hold. */
const scratchShare = 1 / 4;
const mostScratchBytes = 256 * 1024 * 1024;

/** Times variants on one device and remembers which were fastest. */
export class Tuner {
  /** Told of each kernel or fork before it is timed: who waits may want to know. */
  onTiming: ((name: string, shapeClass: string) => void) | undefined;
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
    if (this.#openSteps(steps).size === 0) return;
    await this.#inTurn(() => this.#settle(steps, signal));
  }

  /**
   * Times the routes of what has not been chosen yet among these forks, each as a whole and with its own best variants, and keeps the
   * winners. The same limits, and the same errors, as of {@link settle}.
   */
  async settleForks(forks: readonly Fork[], signal?: AbortSignal): Promise<void> {
    await this.load();
    if (this.#openForks(forks).size === 0) return;
    await this.#inTurn(() => this.#settleForks(forks, signal));
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  async #settle(steps: readonly Tunable[], signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const open = [...this.#openSteps(steps)].map(([name, step]) => ({
      name,
      step,
      plans: step.candidates!(this.#caps),
    }));
    await this.#compile(open.filter(({ plans }) => plans.length > 1).flatMap(({ plans }) => plans));
    const found: Measurement[] = [];
    try {
      for (const { name, step, plans } of open) {
        signal?.throwIfAborted();
        const measurement = plans.length > 1 ? await this.#measure(step, plans, signal) : undefined;
        if (measurement) found.push(measurement);
        else this.#passed.add(name);
      }
    } finally {
      // What is known already serves the next run, though this one was stopped.
      this.#take(found);
    }
    await this.#keep(found);
  }

  async #settleForks(forks: readonly Fork[], signal: AbortSignal | undefined): Promise<void> {
    for (const [name, fork] of this.#openForks(forks)) {
      signal?.throwIfAborted();
      // Variants first: each route is timed as it would run.
      await this.#settle(
        this.#recorded(fork).flatMap(({ schedule }) => schedule.steps),
        signal,
      );
      const measurement = await this.#measureFork(fork, signal);
      if (measurement) {
        this.#take([measurement]);
        await this.#keep([measurement]);
      } else this.#passed.add(name);
    }
  }

  /** Makes pipelines all at once: drivers compile in parallel. What is refused is told apart later. */
  async #compile(plans: readonly KernelPlan[]): Promise<void> {
    await this.gpu.prepare(plans).catch(() => this.#checkDevice());
  }

  #take(found: readonly Measurement[]): void {
    if (found.length === 0) return;
    this.#measured.push(...found);
    this.#choose(choicesOf(found));
  }

  async #keep(found: readonly Measurement[]): Promise<void> {
    if (found.length === 0) return;
    await addToTable(this.mode === 'full' ? `${this.#key}-full` : this.#key, choicesOf(found));
  }

  #choose(choices: Choices): void {
    this.#own = merged(this.#own, choices);
    this.#caps = { ...this.#base, choices: merged(this.#base.choices ?? {}, this.#own) };
  }

  /** One step of each kernel and class that is neither chosen nor passed over. */
  #openSteps(steps: readonly Tunable[]): Map<string, Tunable> {
    const open = new Map<string, Tunable>();
    for (const step of steps) {
      const { kernel, sizes } = step.plan;
      const name = step.candidates && this.#openName(kernel, sizes);
      if (name !== undefined && !open.has(name)) open.set(name, step);
    }
    return open;
  }

  /** Likewise of each fork, with the routes to time. */
  #openForks(forks: readonly Fork[]): Map<string, Fork> {
    const open = new Map<string, Fork>();
    for (const fork of forks) {
      const routes = fork.routes.filter(({ isLong }, i) => i === 0 || !isLong);
      const name = routes.length > 1 ? this.#openName(fork.name, fork.sizes) : undefined;
      if (name !== undefined && !open.has(name)) open.set(name, { ...fork, routes });
    }
    return open;
  }

  /** Names a kernel's, or fork's, class of shapes; undefined if it is chosen or passed over. */
  #openName(kernel: string, sizes: Fork['sizes']): string | undefined {
    const shapes = shapeClass(sizes);
    const name = `${kernel} ${shapes}`;
    const isSettled = this.#own[kernel]?.[shapes] !== undefined || this.#passed.has(name);
    return isSettled ? undefined : name;
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
    const places = placesOf(step);
    if (!places) return undefined;
    const [{ kernel, sizes }] = plans;
    return this.#race(kernel, sizes, demandsOf(places), signal, (scratch) => {
      const slots = places.map(({ root, size, isOwn }): Slot => {
        if (isOwn || root.kind !== 'tensor')
          return { buffer: scratch.buffer(root), offset: 0, size };
        return { buffer: root.tensor.buffer, offset: root.tensor.offset, size };
      });
      return plans.map((plan) => ({ name: plan.variant, dispatches: [{ plan, slots }] }));
    });
  }

  /** Every route of a fork, recorded on stand-ins for what it reads: the same for all of them, and one result. */
  #recorded({ reads, routes }: Fork): Recorded[] {
    const standIns = new Map<string, Value>();
    const read = (name: string): Value => {
      const value = standIns.get(name) ?? placeholder(reads[name]!.shape);
      standIns.set(name, value);
      return value;
    };
    let y: Value | undefined;
    return routes.map((route) => {
      const recorder = Recorder.on(this.gpu);
      y = route.record(recorder, read, y);
      return { route, schedule: recorder.schedule([y]) };
    });
  }

  /** Times a fork's routes; undefined where that is not possible. */
  async #measureFork(
    fork: Fork,
    signal: AbortSignal | undefined,
  ): Promise<Measurement | undefined> {
    const recorded = this.#recorded(fork);
    await this.#compile(recorded.flatMap(({ schedule }) => schedule.steps.map(({ plan }) => plan)));
    const laid = recorded.map(({ schedule }) => laidOut(schedule));
    const demands = new Map(laid.flatMap((l) => l.demands).map((demand) => [demand.key, demand]));
    return this.#race(fork.name, fork.sizes, [...demands.values()], signal, (scratch) =>
      recorded.map(({ route, schedule: { steps } }, i) => ({
        name: route.name,
        dispatches: steps.map(({ plan, tensors }) => ({
          plan,
          slots: tensors.map((value) => {
            const { key, offset } = laid[i].placeOf(value.root);
            return { buffer: scratch.buffer(key), offset, size: sizeOfBinding(value) };
          }),
        })),
      })),
    );
  }

  /** Times candidates, the automatic one first, on scratch memory. */
  async #race(
    kernel: string,
    sizes: Fork['sizes'],
    demands: readonly Demand[],
    signal: AbortSignal | undefined,
    candidatesOn: (scratch: Scratch) => readonly Candidate[],
  ): Promise<Measurement | undefined> {
    const scratch = new Scratch(this.gpu, demands);
    const most = Math.min(mostScratchBytes, this.#base.limits.maxBufferSize * scratchShare);
    if (scratch.bytes > most) return undefined;
    const shapes = shapeClass(sizes);
    this.onTiming?.(kernel, shapes);
    try {
      await scratch.fill();
      const candidates = candidatesOn(scratch);
      const { times, winner } = await race(this.gpu, candidates, this.#effort, signal);
      if (winner === undefined) return undefined;
      return {
        kernel,
        sizes,
        automatic: candidates[0].name,
        shapeClass: shapes,
        winner,
        timesMs: Object.fromEntries(times),
      };
    } catch (error) {
      this.#checkDevice();
      if (signal?.aborted) throw error;
      // Too little memory, or a dispatch that the device refuses: the run itself will tell if it cannot do without.
      return undefined;
    } finally {
      scratch.destroy();
    }
  }
}

interface Recorded {
  readonly route: Route;
  readonly schedule: Schedule;
}

function choicesOf(found: readonly Measurement[]): Choices {
  const choices: Record<string, Record<string, string>> = {};
  for (const { kernel, shapeClass, winner } of found) {
    choices[kernel] ??= {};
    choices[kernel][shapeClass] = winner;
  }
  return choices;
}

/** Bytes that a value is bound with. */
const sizeOfBinding = ({ byteLength }: Value): number => Math.max(4, Math.ceil(byteLength / 4) * 4);

const demandOf = (root: ValueRoot): Demand => ({
  key: root,
  bytes: root.bytes,
  data: root.kind === 'constant' ? root.data : undefined,
});

/** What one binding of a step is timed on. */
interface Place {
  readonly root: ValueRoot;
  readonly size: number;
  /** Whether it is memory made for timing, though the tensor is there. */
  readonly isOwn: boolean;
}

/**
 * What timing a step needs: tensors that are there (weights) are read where they lie, all that is written gets memory of its own.
 * Undefined where the step reads whole numbers that have not been computed yet: as positions they would lead anywhere.
 */
function placesOf({ plan, tensors }: Tunable): Place[] | undefined {
  const places: Place[] = [];
  for (const [i, value] of tensors.entries()) {
    const { access, dtype } = plan.bindings[i];
    const { root } = value;
    const isThere = root.kind === 'tensor' || root.kind === 'constant';
    if (access === 'read' && !isThere && dtype !== 'f32') return undefined;
    const isOwn = access === 'write' || root.kind !== 'tensor';
    places.push({ root, isOwn, size: sizeOfBinding(value) });
  }
  return places;
}

const demandsOf = (places: readonly Place[]): Demand[] =>
  [...new Set(places.filter(({ isOwn }) => isOwn).map(({ root }) => root))].map(demandOf);

/** The memory of a route: lanes of intermediate values as in a run, and for the rest a buffer each. */
function laidOut({ steps, arena, layout }: Schedule) {
  const lanes = layout.lanes.map((bytes): Demand => ({ key: {}, bytes }));
  const places = new Map<ValueRoot, { key: object; offset: number }>();
  arena.forEach((root, i) => {
    const { lane, offset } = layout.placements[i];
    // What a run writes once, before it begins, must outlast the repeats: it shares no memory.
    if (root.kind !== 'constant') places.set(root, { key: lanes[lane].key, offset });
  });
  const others = new Set(
    steps.flatMap(({ tensors }) => tensors.map(({ root }) => root)).filter((r) => !places.has(r)),
  );
  return {
    demands: [...lanes, ...[...others].map(demandOf)],
    placeOf: (root: ValueRoot) => places.get(root) ?? { key: root, offset: 0 },
  };
}
