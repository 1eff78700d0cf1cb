import { median, relativeL2 } from '../stats.js';
import type { PeerCase } from './cases.js';
import type { Counts } from './counting.js';
import type { Material } from './material.js';
import type { Peer, Ready } from './peer.js';

/** Largest relative L2 distance from the reference at which a result counts as right: float32, whatever the order of summation. */
export const agreement = 1e-3;

/** What the peers are compared with, the first that there is a result of. */
const referenceOrder = ['ort-wasm', 'ours', 'tfjs-webgpu', 'ort-plain', 'ort-webgpu'];

/** One peer on one case. */
export interface PeerResult {
  readonly peer: string;
  /** `measured`: with rounds. `once`: the first run only. `none`: not at all. */
  readonly state: 'measured' | 'once' | 'none';
  /** Why there is no more. */
  readonly reason?: string;
  /** Relative L2 distance of its result from the reference's; missing for the reference. Infinite ones are written as 1e308. */
  readonly error?: number;
  /** Whether the result is the reference's. */
  readonly isReference?: boolean;
  /** Whether it is further away than {@link agreement}. */
  readonly isWrong?: boolean;
  /** From the packed model to the first result. */
  readonly coldMs?: number;
  /** One run, each round. */
  readonly warmMs?: readonly number[];
  readonly medianMs?: number;
  /** Runs in a row of which a round's time is the mean. */
  readonly repeats?: number;
  /** Until the first result. */
  readonly coldCounts?: Counts;
  /** Of one run. */
  readonly counts?: Counts;
  /** Most bytes its buffers had at once, from the start to the last run. */
  readonly peakBytes?: number;
  readonly gflops?: number;
  /** Of the adapter's multiply-add rate, measured in the same round. */
  readonly fmaShare?: number;
}

/** One case. */
export interface CaseResult {
  readonly id: string;
  readonly group: string;
  readonly about: string;
  readonly flops?: number;
  /** Multiply-add rate of the adapter meanwhile, GFLOP/s. */
  readonly ceilingGflops?: number;
  readonly peers: readonly PeerResult[];
}

export interface RoundSettings {
  readonly rounds: number;
  /** Seconds that one peer may take for a case. */
  readonly limitS: number;
}

/** What the rounds need from where they run. */
export interface Surroundings {
  /** Tells what begins now. */
  step(peer: string, what: string): void | Promise<void>;
  /** Takes what was counted since the last call; and most bytes of a peer. */
  readonly counting?: { owner: string; take(): Counts; peakBytes(owner: string): number };
  /** Waits until nobody computes any more. */
  settle?(): Promise<void>;
  /** GFLOP/s of multiply-adds that the adapter does now. */
  ceiling?(): Promise<number>;
}

/** A short run is repeated until a round takes so long. */
const leastMs = 20;
const mostRepeats = 200;

/**
 * Starts a case on each peer, compares the results, and measures in rounds in which the peers take turns. A peer that fails, is wrong or is too
 * slow does not stop the others.
 */
export async function measureCase(
  c: PeerCase,
  peers: readonly Peer[],
  material: Material,
  settings: RoundSettings,
  around: Surroundings,
): Promise<CaseResult> {
  const runs: Run[] = [];
  const results = new Map<string, PeerResult>();
  const values = new Map<string, Float32Array>();
  for (const peer of peers) {
    const { name } = peer;
    const refused = peer.refuses?.(c);
    if (refused) {
      results.set(name, { peer: name, state: 'none', reason: refused });
      continue;
    }
    const run = new Run(c, peer, around, settings.limitS);
    try {
      await around.step(name, 'first result');
      values.set(name, await run.start(material));
      runs.push(run);
    } catch (error) {
      results.set(name, { peer: name, state: 'none', reason: `failed: ${oneLine(error)}` });
      await run.dispose();
    }
    await around.settle?.();
  }
  const rates: number[] = [];
  for (let round = 0; round < settings.rounds && runs.some((run) => run.goesOn); round++) {
    if (around.ceiling) {
      await around.step('', 'ceiling');
      rates.push(await around.ceiling());
    }
    // Each round begins with another peer.
    for (let i = 0; i < runs.length; i++) {
      const run = runs[(i + round) % runs.length];
      if (!run.goesOn) continue;
      await around.step(run.name, `round ${round + 1}/${settings.rounds}`);
      await run.round(rates.at(-1));
      await around.settle?.();
    }
  }
  for (const run of runs) {
    results.set(run.name, run.result);
    await run.dispose();
  }
  const ceilingGflops = rates.length > 0 ? { ceilingGflops: median(rates) } : {};
  const compared = compare([...results.values()], values);
  const listed = peers.map(({ name }) => compared.find(({ peer }) => peer === name)!);
  const { id, group, about, flops } = c;
  return { id, group, about, ...(flops && { flops }), ...ceilingGflops, peers: listed };
}

/** Adds to each result how far it is from the reference. */
export function compare(
  results: readonly PeerResult[],
  values: ReadonlyMap<string, Float32Array>,
): PeerResult[] {
  const isUsable = (name: string) => values.get(name)?.every(Number.isFinite);
  const reference = referenceOrder.find(isUsable);
  return results.map((result) => {
    const own = values.get(result.peer);
    if (!own || reference === undefined) return result;
    if (result.peer === reference) return { ...result, isReference: true };
    const error = Math.min(1e308, relativeL2(own, values.get(reference)!));
    return { ...result, error, isWrong: !(error <= agreement) };
  });
}

/** One peer on one case, as it goes. */
class Run {
  readonly #times: number[] = [];
  readonly #shares: number[] = [];
  #ready: Ready | undefined;
  #coldMs = 0;
  #spentMs = 0;
  #repeats = 1;
  #isWarm = false;
  #coldCounts: Counts | undefined;
  #counts: Counts | undefined;
  #failure: string | undefined;

  constructor(
    private readonly c: PeerCase,
    private readonly peer: Peer,
    private readonly around: Surroundings,
    private readonly limitS: number,
  ) {}

  get name(): string {
    return this.peer.name;
  }

  /** Whether there is time for one more round. */
  get goesOn(): boolean {
    const last = this.#times.length > 0 ? this.#times.at(-1)! * this.#repeats : this.#coldMs;
    return this.#failure === undefined && this.#spentMs + last <= 1000 * this.limitS;
  }

  /** The first result, cold. */
  async start(material: Material): Promise<Float32Array> {
    const load = await this.peer.pack(this.c, material);
    this.#own();
    const begin = performance.now();
    this.#ready = await load();
    await this.#ready.run(1);
    const values = await this.#ready.read();
    this.#coldMs = performance.now() - begin;
    this.#spentMs = this.#coldMs;
    this.#coldCounts = this.around.counting?.take();
    return values.slice();
  }

  async round(ceiling: number | undefined): Promise<void> {
    try {
      this.#own();
      if (!this.#isWarm) await this.#warmUp();
      this.#isWarm = true;
      const ms = (await this.#time(this.#repeats)) / this.#repeats;
      this.#times.push(ms);
      if (ceiling && this.c.flops && this.peer.isOnAdapter !== false)
        this.#shares.push(this.c.flops / ms / 1e6 / ceiling);
    } catch (error) {
      this.#failure = oneLine(error);
    }
  }

  /** Counts what one run asks for, and finds how often to repeat it. */
  async #warmUp(): Promise<void> {
    // What took long when cold is not run again just to be counted.
    const isLong = this.#coldMs > 2000;
    if (isLong) return;
    const ms = await this.#time(1);
    if (this.c.group !== 'layers' || this.#repeats > 1) return;
    this.#repeats = Math.max(1, Math.min(mostRepeats, Math.ceil(leastMs / Math.max(ms, 0.01))));
  }

  /** A layer is run again and again and its result left where it is; the others are run until their result has arrived. */
  async #time(times: number): Promise<number> {
    const begin = performance.now();
    await this.#ready!.run(times);
    if (this.c.group !== 'layers') await this.#ready!.read();
    const ms = performance.now() - begin;
    this.#spentMs += ms;
    const counts = this.around.counting?.take();
    if (times === 1) this.#counts ??= counts;
    return ms;
  }

  #own(): void {
    const { counting } = this.around;
    if (!counting) return;
    counting.owner = this.name;
    counting.take();
  }

  get result(): PeerResult {
    const found = {
      peer: this.name,
      coldMs: this.#coldMs,
      ...(this.#coldCounts && { coldCounts: this.#coldCounts }),
      ...(this.around.counting && { peakBytes: this.around.counting.peakBytes(this.name) }),
    };
    if (this.#times.length === 0) {
      const reason = this.#failure
        ? `failed when run again: ${this.#failure}`
        : `the first run took ${(this.#coldMs / 1000).toFixed(0)} s of ${this.limitS}`;
      return { ...found, state: 'once', reason };
    }
    const medianMs = median(this.#times);
    return {
      ...found,
      state: 'measured',
      ...(this.#failure && { reason: `failed when run again: ${this.#failure}` }),
      ...{ warmMs: this.#times, medianMs, repeats: this.#repeats },
      ...(this.#counts && { counts: this.#counts }),
      ...(this.c.flops && { gflops: this.c.flops / medianMs / 1e6 }),
      ...(this.#shares.length > 0 && { fmaShare: median(this.#shares) }),
    };
  }

  async dispose(): Promise<void> {
    try {
      await this.#ready?.dispose();
    } catch {
      // What it failed of before is told; the page is closed behind it.
    }
  }
}

/** An error's first line, not too long. */
export const oneLine = (error: unknown): string => {
  const [line] = String((error as Error)?.message ?? error).split('\n');
  return line.length > 160 ? `${line.slice(0, 157)}...` : line;
};
