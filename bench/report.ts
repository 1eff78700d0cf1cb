import type { BenchResult } from './bench.js';
import type { Measurement } from './measure.js';

/** A run with what it ran on: the JSON file. */
export interface BenchFile extends BenchResult {
  /** `node` or `chrome`, with its version. */
  readonly runtime: string;
  /** Versions of this package and of what it ran on. */
  readonly versions: Readonly<Record<string, string>>;
  /** Commit measured, ` + changes` behind it if the tree had any; absent outside a repository. */
  readonly commit?: string;
  /** ISO 8601. */
  readonly date: string;
}

const columns = [
  'ms',
  'min',
  'spread',
  'GPU ms',
  'GFLOP/s',
  'GB/s',
  'of FMA',
  'of copy',
  'case',
] as const;

/** The measurements as lines of text. */
export function table(result: BenchResult): string[] {
  const lines: string[] = [];
  if (result.ceilings) {
    const { gflops, gbs } = result.ceilings;
    lines.push(`ceilings: ${figure(gflops)} GFLOP/s (vec4 fma), ${figure(gbs)} GB/s (vec4 copy)`);
  }
  // The case is last and as long as it likes.
  return [...lines, ...aligned([columns, ...result.measurements.map(row)], columns.length - 1)];
}

/** Rows of cells as lines, the first `count` columns flush right. */
export function aligned(rows: readonly (readonly string[])[], count = rows[0].length): string[] {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((r) => r[i].length)));
  return rows.map((r) =>
    r.map((cell, i) => (i < count ? cell.padStart(widths[i]) : cell)).join('  '),
  );
}

const row = (m: Measurement): readonly string[] => [
  figure(m.medianMs),
  figure(m.minMs),
  percent(m.spread),
  m.gpuMs === undefined ? '' : figure(m.gpuMs),
  m.flops > 0 ? figure(m.gflops) : '',
  figure(m.gbs),
  m.flops > 0 ? percent(m.fmaShare) : '',
  percent(m.copyShare),
  name(m),
];

const name = ({ id, variant, picked }: Measurement): string =>
  [id, variant && `(${variant}${picked ? '' : ', not picked'})`].filter(Boolean).join(' ');

/** Three significant digits, without an exponent. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const digits = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(6, Math.max(0, 2 - digits)));
}

/** One decimal below 10 %, none from there. */
export const percent = (share: number): string => {
  const value = 100 * share;
  return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)}%`;
};

/** Changes of a median up to this are not reported: repeated runs on a quiet machine differ by less. */
const notable = 0.1;

/** What changed from an older run, as lines of text: medians that differ by more than 10 %, slower first. */
export function compare(older: BenchFile, newer: BenchFile): string[] {
  const lines = [`against ${older.commit ?? 'an unknown commit'} of ${older.date}:`];
  for (const what of ['adapter', 'runtime', 'clock'] as const) {
    if (older[what] !== newer[what]) {
      lines.push(`  ${what} differs: ${older[what]}, now ${newer[what]}: times say little`);
    }
  }
  if (older.ceilings && newer.ceilings) {
    const ratio = newer.ceilings.gflops / older.ceilings.gflops;
    if (isNotable(ratio)) {
      lines.push(
        `  the adapter's own FMA rate is ${change(ratio)}: look at the shares, not the times`,
      );
    }
  }
  const key = (m: Measurement) => `${m.id}\n${m.variant}`;
  const before = new Map(older.measurements.map((m) => [key(m), m]));
  const pairs = newer.measurements.flatMap((now) => {
    const was = before.get(key(now));
    return was ? [{ was, now, ratio: now.medianMs / was.medianMs }] : [];
  });
  const changed = pairs
    .filter(({ ratio }) => isNotable(ratio))
    .sort((a, b) => b.ratio - a.ratio)
    .map(
      ({ was, now, ratio }) =>
        `  time ${change(ratio)}: ${figure(was.medianMs)} -> ${figure(now.medianMs)} ms, ${share(was)} -> ${share(now)}  ${name(now)}`,
    );
  lines.push(...changed);
  const alone = newer.measurements.length - pairs.length;
  const gone = older.measurements.length - pairs.length;
  lines.push(
    `  ${changed.length} of ${pairs.length} changed by more than 10 %, ${alone} new, ${gone} not measured now`,
  );
  return lines;
}

const isNotable = (ratio: number): boolean => ratio > 1 + notable || ratio < 1 / (1 + notable);

const change = (ratio: number): string =>
  ratio >= 1 ? `+${percent(ratio - 1)}` : `-${percent(1 - ratio)}`;

/** The share of the ceiling that is nearer. */
const share = ({ fmaShare, copyShare }: Measurement): string =>
  fmaShare > copyShare ? `${percent(fmaShare)} of FMA` : `${percent(copyShare)} of copy`;
