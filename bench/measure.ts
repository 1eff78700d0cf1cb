import type { Gpu } from '../src/gpu/device.js';
import type { Selection } from './cases.js';
import { ceilingCases } from './ceilings.js';
import { type Clock, type Subject, timeOnce, warmUp } from './clock.js';
import type { PreparedNet } from './networks.js';
import { Prepared } from './prepared.js';
import { median, spread } from './stats.js';

/** What was measured of one variant of one case, or of one network. */
export interface Measurement {
  readonly id: string;
  readonly part: 'kernel' | 'network';
  /** Empty for networks: they run what is picked. */
  readonly variant: string;
  /** Whether a plan picks this variant on this device. */
  readonly picked: boolean;
  /** How often each network uses the kernel in a forward and backward pass. */
  readonly uses: Readonly<Record<string, number>>;
  readonly flops: number;
  readonly bytes: number;
  readonly rounds: number;
  /** Dispatches in a timed pass. */
  readonly repeats: number;
  /** Of a dispatch; of a network, from the call until the GPU is done. */
  readonly medianMs: number;
  readonly minMs: number;
  /** (slowest - fastest round) / median. */
  readonly spread: number;
  /** From the median; of a network with timestamps, from `gpuMs`. */
  readonly gflops: number;
  readonly gbs: number;
  /** Share of the adapter's own multiply-add rate, measured in the same round; the median over the rounds. */
  readonly fmaShare: number;
  /** Share of the adapter's own copy rate, likewise. */
  readonly copyShare: number;
  /** Networks: sum over the dispatches, where the device has timestamps. */
  readonly gpuMs?: number;
  readonly dispatches?: number;
  /** Networks: GPU memory in use at once, weights included. */
  readonly peakBytes?: number;
  /** Networks, with timestamps: milliseconds by kernel and variant, most first. */
  readonly byKernel?: Readonly<Record<string, number>>;
}

/** Rates of both ceilings in one round. */
interface Rates {
  readonly flopsPerMs: number;
  readonly bytesPerMs: number;
}

/** A run of more than this many milliseconds is measured in three rounds at most. */
const longMs = 2000;

const roundsOf = (selection: Selection): number => selection.rounds ?? (selection.quick ? 3 : 7);

/** The two ceilings, ready to be measured beside anything. */
export class Ceilings {
  readonly #measured: Rates[] = [];

  private constructor(
    private readonly gpu: Gpu,
    private readonly clock: Clock,
    private readonly prepared: readonly Prepared[],
    private readonly subjects: readonly (Subject & { readonly repeats: number })[],
  ) {}

  static async make(gpu: Gpu, clock: Clock): Promise<Ceilings> {
    const { fma, copy } = ceilingCases(gpu.caps);
    const prepared = [fma, copy].map((c) => Prepared.make(gpu, c));
    const subjects = [];
    for (const p of prepared) {
      const subject = { plan: p.plan(p.picked), slots: p.slots };
      subjects.push({ ...subject, repeats: await warmUp(gpu, clock, subject) });
    }
    return new Ceilings(gpu, clock, prepared, subjects);
  }

  async measure(): Promise<Rates> {
    const [fma, copy] = this.subjects;
    const { gpu, clock } = this;
    const rates = {
      flopsPerMs: fma.plan.flops / (await timeOnce(gpu, clock, fma, fma.repeats)),
      bytesPerMs: copy.plan.bytes / (await timeOnce(gpu, clock, copy, copy.repeats)),
    };
    this.#measured.push(rates);
    return rates;
  }

  /** Medians over the whole run. */
  get summary(): { gflops: number; gbs: number } {
    return {
      gflops: median(this.#measured.map((r) => r.flopsPerMs)) / 1e6,
      gbs: median(this.#measured.map((r) => r.bytesPerMs)) / 1e6,
    };
  }

  destroy(): void {
    for (const p of this.prepared) p.destroy();
  }
}

/** Measures variants of a case in turn, the ceilings in every round among them. */
export async function measureKernel(
  gpu: Gpu,
  clock: Clock,
  ceilings: Ceilings,
  prepared: Prepared,
  selection: Selection,
): Promise<Measurement[]> {
  const names = selection.variants ? prepared.variants : [prepared.picked];
  const subjects: (Subject & { repeats: number; times: number[] })[] = [];
  for (const name of names) {
    const subject = { plan: prepared.plan(name), slots: prepared.slots };
    subjects.push({ ...subject, repeats: await warmUp(gpu, clock, subject), times: [] });
  }
  const rates: Rates[] = [];
  let rounds = roundsOf(selection);
  for (let round = 0; round < rounds; round++) {
    rates.push(await ceilings.measure());
    // Each round begins with another variant: none is always the one behind the ceilings.
    for (let i = 0; i < subjects.length; i++) {
      const subject = subjects[(i + round) % subjects.length];
      subject.times.push(await timeOnce(gpu, clock, subject, subject.repeats));
    }
    if (subjects.some((s) => s.times[0] > longMs)) rounds = Math.min(rounds, 3);
  }
  const { id, uses } = prepared.source;
  return subjects.map(({ plan, times, repeats }) => ({
    id,
    part: 'kernel',
    variant: plan.variant,
    picked: plan.variant === prepared.picked,
    uses,
    repeats,
    ...figures(plan, times, times, rates),
  }));
}

/** Measures a network's call as its user waits for it, and the sum of its dispatches where the device can time them. */
export async function measureNetwork(
  clock: Clock,
  ceilings: Ceilings,
  prepared: PreparedNet,
  selection: Selection,
): Promise<Measurement> {
  const plan = await prepared.warmUp();
  const times: number[] = [];
  const gpuTimes: number[] = [];
  const byKernel = new Map<string, number[]>();
  const rates: Rates[] = [];
  let rounds = roundsOf(selection);
  for (let round = 0; round < rounds; round++) {
    rates.push(await ceilings.measure());
    times.push(await prepared.time());
    if (clock.kind === 'timestamps') {
      const sums = sumByKernel(await prepared.profile());
      gpuTimes.push([...sums.values()].reduce((a, b) => a + b, 0));
      for (const [name, ms] of sums) byKernel.set(name, [...(byKernel.get(name) ?? []), ms]);
    }
    if (times[0] > longMs) rounds = Math.min(rounds, 3);
  }
  const stamped = gpuTimes.length > 0;
  return {
    id: prepared.source.id,
    part: 'network',
    variant: '',
    picked: true,
    uses: {},
    repeats: 1,
    ...figures(plan, times, stamped ? gpuTimes : times, rates),
    dispatches: plan.dispatches,
    peakBytes: prepared.peakBytes,
    ...(stamped && {
      gpuMs: median(gpuTimes),
      byKernel: Object.fromEntries(
        [...byKernel]
          .map(([name, values]) => [name, median(values)] as const)
          .sort((a, b) => b[1] - a[1]),
      ),
    }),
  };
}

function sumByKernel(
  times: readonly { kernel: string; variant: string; timeMs: number }[],
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { kernel, variant, timeMs } of times) {
    const name = `${kernel} ${variant}`;
    sums.set(name, (sums.get(name) ?? 0) + timeMs);
  }
  return sums;
}

/** @param working times that rates and shares are taken from, one a round as `rates` */
export function figures(
  { flops, bytes }: { readonly flops: number; readonly bytes: number },
  times: readonly number[],
  working: readonly number[],
  rates: readonly Rates[],
) {
  const workMs = median(working);
  return {
    flops,
    bytes,
    rounds: times.length,
    medianMs: median(times),
    minMs: Math.min(...times),
    spread: spread(times),
    gflops: flops / workMs / 1e6,
    gbs: bytes / workMs / 1e6,
    fmaShare: median(working.map((ms, i) => flops / ms / rates[i].flopsPerMs)),
    copyShare: median(working.map((ms, i) => bytes / ms / rates[i].bytesPerMs)),
  };
}
