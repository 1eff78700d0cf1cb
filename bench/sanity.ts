/** `npm run sanity`: whether each method's maps depend on what the network has learnt, by cascading randomisation. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { methods } from '../src/cam/index.js';
import { LayerError } from '../src/errors.js';
import { onePetCases, sanity, sanityVerdict } from '../src/eval/index.js';
import { Gpu } from '../src/gpu/device.js';
import { decodeImage } from '../src/image/decode-node.js';
import { Photo, type RgbaImage } from '../src/image/photo.js';
import { Net } from '../src/net/net.js';
import {
  exitCodeOf,
  inOrder,
  type Job,
  jobsNamed,
  measureMissing,
  parsed,
  readRows,
  replaceFile,
  wholeNumber,
} from './rows.js';
import { inWords, markdown, type SanityRow } from './sanity-table.js';
import { between } from './section.js';

export const usageText = `Makes a network random layer by layer, from the output down, and measures how much of their maps the methods keep.

  --network NAME       default toy_vgg
  --weight-path FILE   its weights (default: the embedded ones)
  --images FILES       photos, by commas (default: held-out ToyPets with one animal)
  --pictures N         so many of these ToyPets (default 16)
  --methods NAMES      by commas, options as in lrp:composite=epsilon (default: all of one pass)
  --steps N            most layers to go through (default 12)
  --seed TEXT          seed of the random layers (default sanity)
  --json FILE          keep each finished row there, and skip those that it has: an interrupted run goes on
  --write              put the table of this network's rows at hand into docs/methods.md
  --help               this text`;

const page = 'docs/methods.md';

interface Flags {
  readonly network: string;
  readonly weightPath?: string;
  readonly images?: readonly string[];
  readonly pictures: number;
  readonly jobs: readonly Job[];
  readonly steps: number;
  readonly seed: string;
  readonly json?: string;
  readonly write: boolean;
  readonly help: boolean;
}

/** What is measured by default: every method of one pass. */
const offered = (): string =>
  [...methods.values()]
    .filter(({ passes }) => passes === 'one')
    .map(({ name }) => name)
    .join(',');

/** Runs the command. @returns the exit code: 0 done, 1 a method failed, 2 bad usage. */
export function main(root: string, args: readonly string[]): Promise<number> {
  return exitCodeOf('sanity', () => run(root, parseFlags(args)));
}

/** Reads the command line. @throws RangeError, LayerError with one line on what is wrong. */
export function parseFlags(args: readonly string[]): Flags {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean', default: false } as const;
  return parsed(() => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...{ network: text, 'weight-path': text, images: text, pictures: text, methods: text },
        ...{ steps: text, seed: text, json: text, write: yes, help: yes },
      },
    });
    const { 'weight-path': weightPath, images, json } = values;
    return {
      network: values.network ?? 'toy_vgg',
      ...(weightPath !== undefined && { weightPath }),
      ...(images !== undefined && { images: images.split(',') }),
      pictures: wholeNumber('pictures', values.pictures ?? '16', 1, 200),
      jobs: jobsNamed(values.methods ?? offered()),
      steps: wholeNumber('steps', values.steps ?? '12', 2, 1000),
      seed: values.seed ?? 'sanity',
      ...(json !== undefined && { json }),
      ...{ write: values.write, help: values.help },
    };
  });
}

async function run(root: string, flags: Flags): Promise<number> {
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  if (flags.help) {
    print(usageText);
    return 0;
  }
  const path = join(root, page);
  const { network } = flags;
  // Before anything runs: a page without the markers would show only after minutes.
  if (flags.write) between(readFileSync(path, 'utf8'), '', page, `sanity:${network}`);
  const rows = readRows<SanityRow>(flags.json);
  const failures = await measure(root, flags, rows, print);

  const own = rows.filter((row) => row.network === network);
  const table = markdown(own, inOrder(own));
  print(`\n${table}`);
  if (flags.write) {
    await replaceFile(path, between(readFileSync(path, 'utf8'), table, page, `sanity:${network}`));
    print(`\nwritten: ${page}`);
  }
  for (const failure of failures) process.stderr.write(`sanity: ${failure}\n`);
  return failures.length > 0 ? 1 : 0;
}

/** Measures what `rows` lacks and puts it there. @returns what went wrong with methods that failed. */
async function measure(
  root: string,
  flags: Flags,
  rows: SanityRow[],
  print: (line: string) => void,
): Promise<string[]> {
  const { network, seed } = flags;
  const weights = await readFile(
    flags.weightPath ?? join(root, 'models', `${network}.safetensors`),
  );
  const images = flags.images
    ? await Promise.all(flags.images.map(decoded))
    : onePetCases(flags.pictures).map(({ image }) => image);
  const gpu = await Gpu.request();
  try {
    const net = Net.load(gpu, network, new Uint8Array(weights));
    const photos = images.map((image) => Photo.fromRgba(gpu, image));
    return await measureMissing(network, flags.jobs, {
      ...{ gpu, rows, json: flags.json },
      suffices: (row) => row.pictures >= photos.length && row.seed === seed,
      measure: (job) => measureRow(net, photos, job, flags),
      tell: (row) => print(inWords(row)),
    });
  } finally {
    gpu.destroy();
  }
}

const decoded = async (path: string): Promise<RgbaImage> =>
  decodeImage(new Uint8Array(await readFile(path)), path);

async function measureRow(
  net: Net,
  photos: readonly Photo[],
  { label, method, options }: Job,
  { steps, seed }: Flags,
): Promise<SanityRow> {
  const about = { network: net.name, method: label, pictures: photos.length, seed };
  const { stderr } = process;
  const wipe = () => stderr.isTTY && stderr.write('\r\x1b[K');
  try {
    const result = await sanity(net, photos, {
      ...{ method, options, steps, seed },
      onProgress: (done, total) => {
        wipe();
        if (stderr.isTTY) stderr.write(`${net.name} ${label}: ${done} of ${total} networks`);
      },
    });
    const { chance } = result;
    const verdict = sanityVerdict(result);
    const found = {
      chance,
      steps: result.steps.map(({ layer, mean, blank }) => ({ layer, mean, blank })),
      ...(verdict && { verdict }),
    };
    return { ...about, found };
  } catch (error) {
    if (!(error instanceof LayerError)) throw error;
    return { ...about, refused: error.message };
  } finally {
    wipe();
  }
}
