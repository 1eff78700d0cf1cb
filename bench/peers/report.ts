import { figure, percent } from '../report.js';
import { median } from '../stats.js';
import { groups } from './cases.js';
import { type PeerName, peerTitles } from './peer.js';
import { agreement, type PeerResult } from './rounds.js';
import { type PooledCase, peerOf, ratioToBest } from './runs.js';

/** A run with what it ran on: the JSON file. */
export interface PeersFile {
  /** `chrome`, with its version. */
  readonly runtime: string;
  /** Of this package, of the peers, and of what they ran on. */
  readonly versions: Readonly<Record<string, string>>;
  /** ISO 8601. */
  readonly date: string;
  readonly adapter: string;
  readonly kind: 'software' | 'gpu';
  readonly settings: {
    readonly peers: readonly PeerName[];
    readonly rounds: number;
    readonly runs: number;
    readonly maps: number;
    readonly limitS: number;
  };
  readonly cases: readonly (PooledCase & { readonly maps?: number })[];
  /** Cases that there is nothing of. */
  readonly notRun: readonly { readonly id: string; readonly about: string }[];
}

/** Columns; the runtime's plain attention is in the column of its WebGPU. */
const columns: readonly PeerName[] = ['ours', 'tfjs-webgpu', 'ort-webgpu', 'ort-wasm'];

/** A case in a few words, for whoever waits. */
export function summary(c: PooledCase): string[] {
  const parts = c.peers.flatMap((p) => {
    if (p.state === 'none') return isBeside(p) ? [] : `${p.peer} ${p.reason}`;
    const error = p.error === undefined ? '' : `, error ${p.error.toExponential(1)}`;
    const time =
      p.medianMs === undefined ? `first run ${figure(p.coldMs!)} ms` : `${figure(p.medianMs)} ms`;
    return `${p.peer} ${time}${error}${p.isWrong ? ' WRONG' : ''}`;
  });
  const best = ratioToBest(c);
  return [`${c.id}: ${parts.join('; ')}${best === undefined ? '' : `; ${figure(best)} x`}`];
}

/** Plain attention is beside the point where there is none. */
const isBeside = ({ reason }: PeerResult): boolean => reason === 'it has no attention';

const dash = '–';
const titles: Readonly<Record<(typeof groups)[number], string>> = {
  layers: 'Layers',
  networks: 'Whole networks',
  cams: 'Explanations',
};

/** The whole report as Markdown. */
export function markdown(file: PeersFile): string {
  const { adapter, runtime, versions, date } = file;
  const ort = versions['ort-wasm'] ?? versions['ort-webgpu'] ?? dash;
  const lines = [
    `Adapter: **${adapter}**${file.kind === 'software' ? ' (a software adapter: no GPU)' : ''}. ${runtime}, webgpu-cam ${versions['webgpu-cam']}, onnxruntime-web ${ort}, TensorFlow.js ` +
      `${versions['tfjs-webgpu'] ?? dash}, ${versions.platform}, ${date.slice(0, 10)}. ${roundsOf(file)}, in ms; *1 run*: the first one alone, cold, and so is the ratio.`,
  ];
  for (const group of groups) {
    const cases = file.cases.filter((c) => c.group === group);
    if (cases.length === 0) continue;
    lines.push('', `### ${titles[group]}`, '', ...times(cases));
    const ratios = cases.flatMap((c) => ratioToBest(c) ?? []);
    if (ratios.length > 0) {
      const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
      lines.push(
        '',
        `Beside the better WebGPU peer: from ${factor(low)} to ${factor(high)}, median ${factor(median(ratios))}.`,
      );
    }
  }
  if (file.cases.length > 0) lines.push('', '### Counted, and cold starts', '', ...counted(file));
  lines.push('', '### Not measured in this run', '', ...missing(file));
  return lines.join('\n');
}

/** How many rounds there were, in words. */
function roundsOf({ cases }: PeersFile): string {
  const counts = cases.flatMap((c) => c.peers.flatMap((p) => p.warmMs?.length ?? []));
  if (counts.length === 0) return 'First runs';
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const runs = Math.max(...cases.map(({ ratios }) => ratios?.length ?? 1));
  const rounds = `Medians of ${least === most ? least : `${least} to ${most}`} warm rounds`;
  // Of a case with several runs the bench takes all rounds together, and the median of the ratios.
  return runs < 2 ? rounds : `${rounds} in up to ${runs} runs (in brackets the ratios of the runs)`;
}

/** From which run's ratio to which, where there are several. */
function rangeOf({ ratios = [] }: PooledCase): string {
  if (ratios.length < 2) return '';
  return ` (${figure(Math.min(...ratios))} to ${figure(Math.max(...ratios))})`;
}

const factor = (ratio: number): string => `${figure(ratio)} x`;

/** A Markdown table. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? '---' : '--:'));
  return [line(head), line(rule), ...rows.map(line)];
}

function times(cases: readonly PooledCase[]): string[] {
  const head = [
    'case',
    ...columns.map((name) => peerTitles[name]),
    'times as fast as the better WebGPU peer',
    'GFLOP/s',
    'of FMA ceiling',
  ];
  const rows = cases.map((c) => {
    const own = peerOf(c, 'ours');
    const best = ratioToBest(c);
    return [
      `${c.about} (\`${c.id}\`)`,
      ...columns.map((name) => timeCell(c, name)),
      best === undefined ? dash : `**${figure(best)}**${rangeOf(c)}`,
      own?.gflops === undefined ? dash : figure(own.gflops),
      own?.fmaShare === undefined ? dash : percent(own.fmaShare).replace('%', ' %'),
    ];
  });
  return table(head, rows);
}

function timeCell(c: PooledCase, name: PeerName): string {
  const cell = (p: PeerResult | undefined): string => {
    if (!p || p.state === 'none') return dash;
    const time = p.medianMs === undefined ? `${figure(p.coldMs!)} (1 run)` : figure(p.medianMs);
    return p.isWrong ? `**wrong** (${time})` : time;
  };
  const text = cell(peerOf(c, name));
  const plain = peerOf(c, 'ort-plain');
  if (name !== 'ort-webgpu' || !plain || plain.state === 'none') return text;
  return `${text}; plain attention ${cell(plain)}`;
}

/** What was counted of one run, ours, TensorFlow.js and the runtime's WebGPU in one cell; and cold starts of all. */
function counted({ cases }: PeersFile): string[] {
  const three = columns.slice(0, 3);
  const cells = (
    c: PooledCase,
    names: readonly PeerName[],
    tell: (p: PeerResult) => string | undefined,
  ) =>
    names
      .map((name) => peerOf(c, name))
      .map((p) => (p && p.state !== 'none' && tell(p)) || dash)
      .join(' / ');
  const mib = (bytes: number) => figure(bytes / 2 ** 20);
  const rows = cases.map((c) => [
    `\`${c.id}\``,
    cells(c, three, (p) => (p.counts ?? p.coldCounts)?.dispatches.toString()),
    cells(c, three, (p) => (p.peakBytes === undefined ? undefined : mib(p.peakBytes))),
    cells(c, three, (p) => {
      const counts = p.counts ?? p.coldCounts;
      return counts && figure((counts.uploadedBytes + counts.copiedBytes) / 1024);
    }),
    cells(c, columns, (p) => (p.coldMs === undefined ? undefined : figure(p.coldMs))),
    cells(c, columns, (p) => (p.isReference ? 'ref' : p.error?.toExponential(0))),
  ]);
  return [
    'webgpu-cam / TensorFlow.js / ORT WebGPU, and behind them ORT WASM for times and errors. *Moved*: uploaded and copied from buffer to buffer in one warm run (of a ' +
      'peer with one run, in that). *Error*: relative L2 distance from the reference (`ref`); beyond ' +
      `${agreement} a result counts as wrong.`,
    '',
    ...table(
      ['case', 'dispatches', 'peak GPU MiB', 'moved KiB', 'first result, cold, ms', 'error'],
      rows,
    ),
  ];
}

/** What there is no warm time of, by reason, and the cases that were not run. */
function missing({ cases, notRun }: PeersFile): string[] {
  const lines = cases.flatMap((c) =>
    c.peers.flatMap((p) => {
      if (p.reason === undefined || isBeside(p)) return [];
      const state = p.state === 'once' ? 'one run only: ' : '';
      return `- \`${c.id}\`, ${peerTitles[p.peer as PeerName]}: ${state}${p.reason}`;
    }),
  );
  if (notRun.length > 0) {
    lines.push(
      `- not run here at all: ${notRun.map(({ id }) => `\`${id}\``).join(', ')} (\`--cases\` names them)`,
    );
  }
  return lines.length > 0 ? lines : ['- everything was'];
}
