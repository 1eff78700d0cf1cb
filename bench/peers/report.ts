import { figure, percent } from '../report.js';
import { median } from '../stats.js';
import { groups } from './cases.js';
import { type PeerName, peerTitles } from './peer.js';
import { agreement, type CaseResult, type PeerResult } from './rounds.js';

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
    readonly maps: number;
    readonly limitS: number;
  };
  readonly cases: readonly (CaseResult & { readonly maps?: number })[];
  /** Cases that there is nothing of. */
  readonly notRun: readonly { readonly id: string; readonly about: string }[];
}

/** Peers that compute on the same adapter as we do. */
const onAdapter: readonly PeerName[] = ['tfjs-webgpu', 'ort-webgpu', 'ort-plain'];

/** Columns; the runtime's plain attention is in the column of its WebGPU. */
const columns: readonly PeerName[] = ['ours', 'tfjs-webgpu', 'ort-webgpu', 'ort-wasm'];

const of = ({ peers }: CaseResult, name: PeerName): PeerResult | undefined =>
  peers.find(({ peer }) => peer === name);

/** How many times as long as ours a peer takes: warm by warm, or where one has its first run only, first by first. */
export function ratioTo(c: CaseResult, name: PeerName): number | undefined {
  const [own, peer] = [of(c, 'ours'), of(c, name)];
  if (!own || !peer || own.isWrong) return undefined;
  if (own.medianMs !== undefined && peer.medianMs !== undefined)
    return peer.medianMs / own.medianMs;
  if (own.coldMs !== undefined && peer.coldMs !== undefined) return peer.coldMs / own.coldMs;
  return undefined;
}

/** The same of the best of the peers on our adapter whose result is right. */
export function ratioToBest(c: CaseResult): number | undefined {
  const ratios = onAdapter.flatMap((name) =>
    of(c, name)?.isWrong ? [] : (ratioTo(c, name) ?? []),
  );
  return ratios.length > 0 ? Math.min(...ratios) : undefined;
}

/** A case in a few words, for whoever waits. */
export function summary(c: CaseResult): string[] {
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
  return `Medians of ${least === most ? least : `${least} to ${most}`} warm rounds`;
}

const factor = (ratio: number): string => `${figure(ratio)} x`;

/** A Markdown table. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? '---' : '--:'));
  return [line(head), line(rule), ...rows.map(line)];
}

function times(cases: readonly CaseResult[]): string[] {
  const head = [
    'case',
    ...columns.map((name) => peerTitles[name]),
    'times as fast as the better WebGPU peer',
    'GFLOP/s',
    'of FMA ceiling',
  ];
  const rows = cases.map((c) => {
    const own = of(c, 'ours');
    const best = ratioToBest(c);
    return [
      `${c.about} (\`${c.id}\`)`,
      ...columns.map((name) => timeCell(c, name)),
      best === undefined ? dash : `**${figure(best)}**`,
      own?.gflops === undefined ? dash : figure(own.gflops),
      own?.fmaShare === undefined ? dash : percent(own.fmaShare).replace('%', ' %'),
    ];
  });
  return table(head, rows);
}

function timeCell(c: CaseResult, name: PeerName): string {
  const cell = (p: PeerResult | undefined): string => {
    if (!p || p.state === 'none') return dash;
    const time = p.medianMs === undefined ? `${figure(p.coldMs!)} (1 run)` : figure(p.medianMs);
    return p.isWrong ? `**wrong** (${time})` : time;
  };
  const text = cell(of(c, name));
  const plain = of(c, 'ort-plain');
  if (name !== 'ort-webgpu' || !plain || plain.state === 'none') return text;
  return `${text}; plain attention ${cell(plain)}`;
}

/** What was counted of one run, ours, TensorFlow.js and the runtime's WebGPU in one cell; and cold starts of all. */
function counted({ cases }: PeersFile): string[] {
  const three = columns.slice(0, 3);
  const cells = (
    c: CaseResult,
    names: readonly PeerName[],
    tell: (p: PeerResult) => string | undefined,
  ) =>
    names
      .map((name) => of(c, name))
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
