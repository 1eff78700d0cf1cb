import { Command } from 'commander';
import { fittingNetworks } from '../net/fit.js';
import { loadWeightsFile } from '../node.js';
import { jsonOption } from './flags.js';
import { type Io, json, table } from './io.js';
import { Progress } from './progress.js';

/** `webgpu-cam inspect`: what a weights file holds, and which network it fits. */
export function inspectCommand(io: Io): Command {
  return new Command('inspect')
    .description('show what a weights file holds, and which network it fits')
    .argument('<weights>', 'a .safetensors or PyTorch .pth file, or its http(s) address')
    .addOption(jsonOption())
    .action(async (path: string, flags: { readonly json?: boolean }) => {
      const progress = new Progress(io.stderr, 'fetching', undefined, 'bytes');
      const { weights, bytes, sha256 } = await loadWeightsFile(path, {
        onProgress: (loaded, total) => progress.update(loaded, path, total),
        signal: io.signal,
      }).finally(() => progress.stop());
      const tensors = [...weights.entries.values()].map(({ name, dtype, shape }) => ({
        name,
        dtype,
        shape,
      }));
      const fits = fittingNetworks(weights).map(({ architecture, classes }) => ({
        network: architecture.name,
        classes,
      }));
      const document = {
        file: path,
        format: weights.format,
        bytes,
        sha256,
        network: fits[0]?.network ?? null,
        classes: fits[0]?.classes ?? null,
        fits,
        parameters: tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
        metadata: weights.metadata,
        notes: weights.notes,
        tensors,
      };
      io.stdout.write(flags.json ? json(document) : described(document));
    });
}

interface Inspection {
  readonly file: string;
  readonly format: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly network: string | null;
  readonly classes: number | null;
  /** Every network that its tensors fit. */
  readonly fits: readonly { network: string; classes: number }[];
  readonly parameters: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
  readonly tensors: readonly { name: string; dtype: string; shape: readonly number[] }[];
}

function described(i: Inspection): string {
  const head = [
    ['file', i.file],
    ['format', i.format],
    ['bytes', String(i.bytes)],
    ['sha256', i.sha256],
    [
      'network',
      i.fits.map(({ network, classes }) => `${network}, ${classes} classes`).join('; ') ||
        'none of those known here',
    ],
    ['tensors', `${i.tensors.length}, ${i.parameters} elements`],
    ...Object.entries(i.metadata).map(([key, text]) => [`metadata ${line(key)}`, line(text)]),
    ...i.notes.map((note) => ['note', note]),
  ];
  const rows = i.tensors.map(({ name, dtype, shape }) => [
    `  ${line(name)}`,
    dtype,
    `[${shape.join(', ')}]`,
  ]);
  return table(head) + table(rows);
}

/** Text from a file as one printable line. */
const line = (text: string): string => text.replace(/\p{C}/gu, ' ');
