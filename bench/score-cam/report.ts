import { aligned, figure, percent } from '../report.js';
import type { BatchProfile, NetworkProfile, ScoreCamResult } from './profile.js';
import { stages } from './stages.js';

/** A run with what it ran on: the JSON file. */
export interface ScoreCamFile extends ScoreCamResult {
  /** `node` or `chrome`, with its version. */
  readonly runtime: string;
  /** Versions of this package and of what it ran on. */
  readonly versions: Readonly<Record<string, string>>;
  /** ISO 8601. */
  readonly date: string;
}

const columns = [
  ...['batch', 'masks/s', 'ms', 'spread', ...stages.map((stage) => `${stage} ms`)],
  ...['MiB planned', 'of it arena', 'MiB real', 'dispatches', 'submissions'],
  ...['GFLOP', 'GFLOP/s', 'of FMA'],
];

/** The profiles as lines of text: a table for each network. */
export function table({ ceilings, networks }: ScoreCamResult): string[] {
  const lines: string[] = [];
  if (ceilings) {
    const { gflops, gbs } = ceilings;
    lines.push(`ceilings: ${figure(gflops)} GFLOP/s (vec4 fma), ${figure(gbs)} GB/s (vec4 copy)`);
  }
  for (const profile of networks) {
    lines.push('', heading(profile), ...aligned([columns, ...profile.batches.map(row)]));
  }
  return lines;
}

/** What was profiled, in one line. */
export function heading(profile: NetworkProfile): string {
  const { network, weights, side, layer, channels, masks, rounds } = profile;
  const some = masks < channels ? `the first ${masks} of ${channels}` : `all ${channels}`;
  return `${network}, ${weights} weights, input ${side} x ${side}: Score-CAM on ${some} channels of ${layer}, ${rounds === 1 ? 'one round' : `median of ${rounds} rounds`}`;
}

const row = (p: BatchProfile): string[] => [
  ...[String(p.batch), figure(p.masksPerSecond), figure(p.medianMs), percent(p.spread)],
  ...stages.map((stage) => (p.stagesMs ? figure(p.stagesMs[stage]) : '-')),
  ...[p.plannedPeakBytes, p.arenaBytes, p.peakBytes].map((bytes) => figure(bytes / 2 ** 20)),
  ...[String(p.dispatches), String(p.submissions)],
  ...[figure(p.flops / 1e9), figure(p.gflops), percent(p.fmaShare)],
];
