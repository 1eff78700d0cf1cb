import type { Gpu } from '../../src/gpu/device.js';
import type { RunPlan } from '../../src/gpu/recorder.js';
import type { Host } from '../bench.js';
import { type Clock, chooseClock } from '../clock.js';
import { Ceilings, figures } from '../measure.js';
import { median, relativeL2 } from '../stats.js';
import { type StageTimes, stages } from './stages.js';
import { copiesInPass, Subject, trainedNetworks } from './subject.js';

/** What to profile: the flags of the command, see ../README.md. */
export interface ScoreCamSettings {
  readonly networks: readonly string[];
  /** Masked copies in one pass. */
  readonly batches: readonly number[];
  /** Masks to score at most: the first channels of the layer. */
  readonly masks: number;
  readonly rounds: number;
  /** Of the input, pixels; default the network's own. */
  readonly side?: number;
}

/** One batch size. */
export interface BatchProfile {
  /** Masked copies in one pass. */
  readonly batch: number;
  /** From the median. */
  readonly masksPerSecond: number;
  /** Of the whole explanation, by the wall clock. */
  readonly medianMs: number;
  readonly minMs: number;
  /** (slowest - fastest round) / median. */
  readonly spread: number;
  /** Medians by stage, and of their sum, where the device has timestamps. */
  readonly stagesMs?: StageTimes;
  readonly gpuMs?: number;
  readonly dispatches: number;
  readonly submissions: number;
  readonly flops: number;
  /** From `gpuMs`, else from the median. */
  readonly gflops: number;
  /** Share of the adapter's own multiply-add rate, measured in the same round; the median over the rounds. */
  readonly fmaShare: number;
  /** Intermediate values, by the plan. */
  readonly arenaBytes: number;
  /** With weights, input and results, by the plan. */
  readonly plannedPeakBytes: number;
  /** GPU memory in use at once, weights and input included. */
  readonly peakBytes: number;
}

/** One network. */
export interface NetworkProfile {
  readonly network: string;
  readonly weights: 'trained' | 'seeded';
  /** Of the input, pixels. */
  readonly side: number;
  readonly layer: string;
  /** Of the layer. */
  readonly channels: number;
  readonly masks: number;
  readonly rounds: number;
  /** Largest relative L2 distance of a batch size's raw map from that of the first. */
  readonly disagreement: number;
  readonly batches: readonly BatchProfile[];
}

/** What a run found out on one device. */
export interface ScoreCamResult {
  readonly adapter: string;
  readonly kind: 'software' | 'gpu';
  readonly clock: Clock['kind'];
  readonly clockDescription: string;
  readonly settings: ScoreCamSettings;
  /** What does not match, one line each; then nothing was measured. */
  readonly wrong: readonly string[];
  /** Medians over the run; absent if nothing was measured. */
  readonly ceilings?: { readonly gflops: number; readonly gbs: number };
  readonly networks: readonly NetworkProfile[];
}

/** Largest relative L2 distance of the raw maps of two batch sizes. */
export const agreement = 1e-5;

/** Reads the weights file of a trained network, by its name. */
export type ReadWeights = (network: string) => Promise<Uint8Array>;

/**
 * Compares the maps of all batch sizes on all networks, then measures them.
 *
 * @throws LayerError for an unknown network.
 */
export async function runScoreCam(
  gpu: Gpu,
  settings: ScoreCamSettings,
  host: Host,
  readWeights: ReadWeights,
): Promise<ScoreCamResult> {
  await host.say(`${gpu.adapterName} (${gpu.caps.kind})`);
  const subjects: { name: string; subject: Subject; batches: number[]; disagreement: number }[] =
    [];
  let ceilings: Ceilings | undefined;
  try {
    const wrong: string[] = [];
    for (const name of settings.networks) {
      const weights = trainedNetworks.includes(name) ? await readWeights(name) : undefined;
      const subject = Subject.make(gpu, name, settings.masks, weights, settings.side);
      const found = { name, subject, batches: batchesOf(subject.masks, settings.batches) };
      const at = subjects.push({ ...found, disagreement: Number.NaN }) - 1;
      const maps: Float32Array[] = [];
      for (const batch of found.batches) {
        await host.progress(`checking ${name}: batch ${batch}`);
        maps.push(await subject.rawMap(batch));
      }
      wrong.push(...wrongMaps(name, found.batches, maps));
      subjects[at].disagreement = Math.max(...maps.map((map) => relativeL2(map, maps[0])));
    }
    const clock = await chooseClock(gpu);
    const head = {
      ...{ adapter: gpu.adapterName, kind: gpu.caps.kind, settings, wrong },
      ...{ clock: clock.kind, clockDescription: clock.description },
    };
    if (wrong.length > 0) return { ...head, networks: [] };
    await host.say(agreed(subjects));
    await host.say(`stages: ${clock.kind === 'wall' ? 'none, ' : ''}${clock.description}`);

    ceilings = await Ceilings.make(gpu, clock);
    const networks: NetworkProfile[] = [];
    for (const { name, subject, batches, disagreement } of subjects) {
      const { layer, side, channels, masks, isTrained } = subject;
      networks.push({
        ...{ network: name, weights: isTrained ? 'trained' : 'seeded' },
        ...{ side, layer, channels, masks, rounds: settings.rounds, disagreement },
        batches: await measure(name, subject, batches, settings.rounds, clock, ceilings, host),
      });
    }
    return { ...head, ceilings: ceilings.summary, networks };
  } finally {
    ceilings?.destroy();
    for (const { subject } of subjects) subject.destroy();
  }
}

/** The batch sizes that the engine makes of those asked for, each once. */
export const batchesOf = (masks: number, asked: readonly number[]): number[] => [
  ...new Set(asked.map((batch) => copiesInPass(masks, batch))),
];

/** @returns what is wrong with the maps of one network, one line each. */
export function wrongMaps(
  network: string,
  batches: readonly number[],
  maps: readonly Float32Array[],
): string[] {
  const [first] = maps;
  if (!first.every(Number.isFinite) || first.every((v) => v === 0)) {
    return [`${network}: the raw map of batch ${batches[0]} is all zero or not finite`];
  }
  return maps.flatMap((map, i) => {
    const distance = relativeL2(map, first);
    if (distance <= agreement) return [];
    return `${network}: the raw map of batch ${batches[i]} is ${distance.toExponential(1)} from that of batch ${batches[0]} (relative L2), should be at most ${agreement}`;
  });
}

/** What the comparison found, a line for each network. */
function agreed(
  subjects: readonly { name: string; batches: readonly number[]; disagreement: number }[],
): string {
  const lines = subjects.map(({ name, batches, disagreement }) => {
    if (batches.length === 1) return `${name}: one batch size, ${batches[0]}: nothing to compare`;
    const how =
      disagreement === 0 ? 'exactly' : `within ${disagreement.toExponential(1)} (relative L2)`;
    return `${name}: batches of ${batches.join(', ')} agree ${how}`;
  });
  return lines.join('\n');
}

async function measure(
  name: string,
  subject: Subject,
  batches: readonly number[],
  rounds: number,
  clock: Clock,
  ceilings: Ceilings,
  host: Host,
): Promise<BatchProfile[]> {
  const runs = batches.map((batch) => new Runs(batch, subject.plan(batch), subject.masks));
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another batch size.
    for (let i = 0; i < runs.length; i++) {
      const run = runs[(i + round) % runs.length];
      await host.progress(`${name}: round ${round + 1}/${rounds}, batch ${run.batch}`);
      run.rates.push(await ceilings.measure());
      const { ms, peakBytes } = await subject.time(run.batch);
      run.times.push(ms);
      run.peakBytes = Math.max(run.peakBytes, peakBytes);
      if (clock.kind !== 'timestamps') continue;
      const staged = await subject.stageTimes(run.batch);
      if (staged) run.staged.push(staged);
    }
  }
  return runs.map((run) => run.summary);
}

/** What the rounds of one batch size gave. */
class Runs {
  readonly times: number[] = [];
  readonly staged: StageTimes[] = [];
  readonly rates: Awaited<ReturnType<Ceilings['measure']>>[] = [];
  peakBytes = 0;

  constructor(
    readonly batch: number,
    private readonly plan: RunPlan,
    private readonly masks: number,
  ) {}

  get summary(): BatchProfile {
    const gpuTimes = this.staged.map((times) => stages.reduce((sum, s) => sum + times[s], 0));
    const stamped = gpuTimes.length > 0;
    const { medianMs, minMs, spread, gflops, fmaShare } = figures(
      this.plan,
      this.times,
      stamped ? gpuTimes : this.times,
      this.rates,
    );
    const { dispatches, submissions, flops, arenaBytes, peakBytes } = this.plan;
    return {
      ...{ batch: this.batch, masksPerSecond: (1000 * this.masks) / medianMs },
      ...{ medianMs, minMs, spread },
      ...(stamped && {
        stagesMs: Object.fromEntries(
          stages.map((stage) => [stage, median(this.staged.map((times) => times[stage]))]),
        ) as StageTimes,
        gpuMs: median(gpuTimes),
      }),
      ...{ dispatches, submissions, flops, gflops, fmaShare },
      ...{ arenaBytes, plannedPeakBytes: peakBytes, peakBytes: this.peakBytes },
    };
  }
}
