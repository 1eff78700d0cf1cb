import type { Gpu } from './device.js';
import type { KernelPlan, Slot } from './dispatch.js';
import { PassTimer } from './timing.js';

/** Something to time: dispatches one after the other, on memory of their own. */
export interface Candidate {
  readonly name: string;
  readonly dispatches: readonly { readonly plan: KernelPlan; readonly slots: readonly Slot[] }[];
}

/** How long candidates are timed. */
export interface Effort {
  /** A candidate is repeated within a sample until it takes so long: browsers tell time in steps of 0.1 ms. */
  readonly sampleMs: number;
  /** Rounds go on for so long a candidate, between the least and the most. */
  readonly budgetMs: number;
  readonly leastRounds: number;
  readonly mostRounds: number;
}

interface Trial {
  readonly candidate: Candidate;
  repeats: number;
  readonly samples: number[];
  spentMs: number;
}

/** Repeats in one sample at most. */
const mostRepeats = 256;
/** A first run so many times slower than the best so far ends a candidate's trial; so does, in the rounds, one that lags by half. */
const hopeless = 3;
const lagging = 1.5;
/** One that took less than this runs once more before it is out: what was slow may have been the machine. */
const shortMs = 100;
/** The first run may include compiling: it ends a trial only when it is slower still, and long. */
const hopelessWarmUp = { times: 20, ms: 1000 };

/** What the winner must take of the automatic choice's time: without a clear gain nothing changes. */
const clearly = 0.95;

export interface Race {
  /** Milliseconds that each candidate takes, by name; those that the device refuses are missing. */
  readonly times: ReadonlyMap<string, number>;
  /** The one to take; undefined if the device refuses the automatic choice. */
  readonly winner: string | undefined;
}

/**
 * Times candidates in turns, and leaves out by and by those that are far behind.
 *
 * @param candidates the one taken without timing first
 * @throws DeviceError if the device is lost; the signal's reason if it is aborted.
 */
export async function race(
  gpu: Gpu,
  candidates: readonly Candidate[],
  { sampleMs, budgetMs, leastRounds, mostRounds }: Effort,
  signal: AbortSignal | undefined,
): Promise<Race> {
  const times = new Map<string, number>();
  let running: Trial[] = [];
  let best = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    signal?.throwIfAborted();
    const trial: Trial = { candidate, repeats: 1, samples: [], spentMs: 0 };
    try {
      await gpu.prepare(candidate.dispatches.map(({ plan }) => plan));
      const [warmUp] = await time(gpu, [trial]);
      const { times: factor, ms } = hopelessWarmUp;
      const isHopeless = warmUp > ms && warmUp > factor * best;
      const first = isHopeless ? warmUp : (await time(gpu, [trial]))[0];
      times.set(candidate.name, first);
      best = Math.min(best, first);
      if (first <= hopeless * best || first < shortMs) running.push(trial);
    } catch {
      if (gpu.lostError) throw gpu.lostError;
    }
  }
  for (const trial of running) {
    const { name } = trial.candidate;
    let first = times.get(name)!;
    if (first > lagging * best && first < shortMs) {
      first = Math.min(first, ...(await time(gpu, [trial])));
      times.set(name, first);
      best = Math.min(best, first);
    }
    trial.repeats = first > 0 ? clamp(Math.ceil(sampleMs / first), 1, mostRepeats) : 64;
    if (trial.repeats === 1) trial.samples.push(first);
  }
  for (let round = 0; round < mostRounds; round++) {
    // The automatic choice loses only after as many samples as the winner has: one slow moment is no reason to leave it.
    const isNear = ({ candidate }: Trial) =>
      (candidate === candidates[0] && round < leastRounds) ||
      times.get(candidate.name)! <= lagging * best;
    running = running.filter(isNear);
    const isDone = running.every(({ spentMs }) => spentMs >= budgetMs);
    if (running.length < 2 || (round >= leastRounds && isDone)) break;
    signal?.throwIfAborted();
    // One after the other in each round, so that a slow moment of the machine's hits all.
    const taken = await time(gpu, running);
    running.forEach((trial, i) => {
      trial.spentMs += taken[i] * trial.repeats;
      trial.samples.push(taken[i]);
      times.set(trial.candidate.name, median(trial.samples));
    });
    best = Math.min(...running.map(({ candidate }) => times.get(candidate.name)!));
  }
  return { times, winner: winnerOf(candidates[0].name, times, running) };
}

/** Of those that were timed to the end: what was left out early was timed at another moment, which may have been a quicker one. */
function winnerOf(
  automatic: string,
  times: ReadonlyMap<string, number>,
  finalists: readonly Trial[],
): string | undefined {
  const usual = times.get(automatic);
  if (usual === undefined) return undefined;
  const names = finalists.map(({ candidate }) => candidate.name);
  const best = names.reduce((a, b) => (times.get(b)! < times.get(a)! ? b : a), names[0]);
  const isClear = !names.includes(automatic) || times.get(best)! < clearly * usual;
  return isClear ? best : automatic;
}

/** Milliseconds a repeat, by the GPU's clock where there is one. */
async function time(gpu: Gpu, trials: readonly Trial[]): Promise<number[]> {
  const run = (trials: readonly Trial[], timer?: PassTimer) =>
    gpu.scoped('tune', () => {
      const encoder = gpu.device.createCommandEncoder({ label: 'tune' });
      trials.forEach(({ candidate, repeats }, i) => {
        const pass = encoder.beginComputePass({ label: candidate.name, ...timer?.writes(i) });
        for (let n = 0; n < repeats; n++) {
          for (const { plan, slots } of candidate.dispatches) {
            gpu.pipelines.record(pass, plan, slots);
          }
        }
        pass.end();
      });
      timer?.resolve(encoder);
      gpu.device.queue.submit([encoder.finish()]);
    });
  const timer = PassTimer.on(gpu, trials.length);
  if (timer) {
    try {
      await run(trials, timer);
      const times = await timer.read(trials.map(({ candidate }) => candidate.dispatches[0].plan));
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

function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

const clamp = (value: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, value));
