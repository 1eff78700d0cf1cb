/** `npm run localisation`: whether each method's heat lies on the animal it is asked for, over held-out ToyPets. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Method, methodNamed, methods, optionsOf } from '../src/cam/index.js';
import { methodChoices } from '../src/cli/flags.js';
import { LayerError, WebgpuCamError } from '../src/errors.js';
import { judgeMaps, type LocalisationCase, onePetCases, twoPetCases } from '../src/eval/index.js';
import { Gpu } from '../src/gpu/device.js';
import { Net } from '../src/net/net.js';
import { embeddedNetworks } from '../src/net/zoo/index.js';
import { between, inWords, type LocalisationRow, markdown } from './localisation-table.js';

const allPictures = 200;
/** Pictures with one animal by default: a software adapter takes seconds for a map of many passes, or of many windows. */
const defaultPictures: Readonly<Record<Method['passes'], number>> = {
  one: allPictures,
  several: 50,
  many: 8,
};

export const usageText = `Measures on held-out ToyPets, of which the masks are known, how well each method's maps lie.

  --network NAMES   toy_vgg, toy_alexnet, toy_vit (default all)
  --methods NAMES   by commas, options as in score-cam:weights=softmax (default all)
  --pictures N      the first N of the 200 with one animal, and half as many of the 100 with two
                    (default all; ${defaultPictures.several} for methods of several passes, ${defaultPictures.many} for those of many)
  --json FILE       keep each finished row there, and skip those that it has: an interrupted run goes on
  --again           measure rows that FILE has, too
  --write           put the table of all rows at hand into docs/methods.md
  --help            this text`;

const networkNames: readonly string[] = embeddedNetworks;
const page = 'docs/methods.md';

/** Maps at once: about as many as share the cost of a submission on any device, and few enough for methods that copy each image. */
const batches: Readonly<Record<Method['passes'], number>> = { one: 20, several: 5, many: 4 };

interface Flags {
  readonly networks: readonly string[];
  readonly jobs: readonly Job[];
  readonly pictures?: number;
  readonly json?: string;
  readonly again: boolean;
  readonly write: boolean;
  readonly help: boolean;
}

/** A method, with options, under the name its row has. */
interface Job {
  readonly label: string;
  readonly method: Method;
  readonly options: Readonly<Record<string, string>>;
}

let drawn: Record<'one' | 'two', LocalisationCase[]> | undefined;

/** The cases of all pictures with one animal and with two, two of these a picture. */
function allCases(): Record<'one' | 'two', readonly LocalisationCase[]> {
  drawn ??= { one: onePetCases(allPictures), two: twoPetCases(allPictures / 2) };
  return drawn;
}

/** Methods of so many passes that fewer of them must do, and those that must keep sizes at which the class is not predicted. */
const measuredAs: Readonly<Record<string, string>> = {
  cameras: 'cameras:keep=all',
  'msg-cam': 'msg-cam:keep=all',
  'ss-cam': 'ss-cam:copies=2',
  'is-cam': 'is-cam:steps=3',
  rise: 'rise:masks=500',
  lime: 'lime:samples=200',
  'kernel-shap': 'kernel-shap:samples=200',
  'meaningful-perturbation': 'meaningful-perturbation:steps=40',
  'extremal-perturbation': 'extremal-perturbation:steps=40',
};
const enhanced = ['grad-cam', 'layer-cam', 'hires-cam'].map((name) => `enhanced-${name}`);

/** What is measured by default: every method of the registry, and the sliding window over some. */
const offered = (): readonly string[] => [
  ...[...methods.keys()].map((name) => measuredAs[name] ?? name),
  ...enhanced,
];

/** Runs the command. @returns the exit code: 0 done, 1 a method failed, 2 bad usage. */
export async function main(root: string, args: readonly string[]): Promise<number> {
  try {
    return await run(root, parseFlags(args));
  } catch (error) {
    const { message, stack } = error as Error;
    const isUsage = error instanceof RangeError || error instanceof WebgpuCamError;
    process.stderr.write(`localisation: ${isUsage ? message : (stack ?? message)}\n`);
    return isUsage ? 2 : 1;
  }
}

/** Reads the command line. @throws RangeError, LayerError with one line on what is wrong. */
export function parseFlags(args: readonly string[]): Flags {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean', default: false } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...{ network: text, methods: text, pictures: text, json: text },
        ...{ again: yes, write: yes, help: yes },
      },
    });
    const { network, pictures, json, again, write, help } = values;
    return {
      networks: network === undefined ? networkNames : network.split(',').map(networkNamed),
      jobs: jobsNamed(values.methods ?? offered().join(',')),
      ...(pictures !== undefined && { pictures: pictureCount(pictures) }),
      ...(json !== undefined && { json }),
      ...{ again, write, help },
    };
  } catch (error) {
    if (error instanceof WebgpuCamError) throw error;
    throw new RangeError((error as Error).message.split('\n')[0]);
  }
}

function networkNamed(name: string): string {
  if (networkNames.includes(name)) return name;
  throw new RangeError(`--network ${name}: should be ${networkNames.join(' or ')}`);
}

function pictureCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= allPictures) return count;
  throw new RangeError(`--pictures ${text}: should be a whole number from 1 to ${allPictures}`);
}

function jobsNamed(text: string): Job[] {
  return methodChoices(text).map(({ name, options }) => {
    const method = methodNamed(name);
    optionsOf(method, options);
    const given = Object.entries(options).map(([key, value]) => `${key}=${value}`);
    return { method, options, label: given.length ? `${name}:${given.join(',')}` : name };
  });
}

async function run(root: string, flags: Flags): Promise<number> {
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  if (flags.help) {
    print(usageText);
    return 0;
  }
  const path = join(root, page);
  // Before anything runs: a page without the markers would show only after half an hour.
  if (flags.write) between(readFileSync(path, 'utf8'), '', page);
  const rows = flags.json === undefined ? [] : readRows(flags.json);
  const failures = await measure(root, flags, rows, print);

  const labels = new Set(rows.map((row) => row.method));
  const order = [...methods.keys(), ...enhanced].flatMap((name) => [
    name,
    ...[...labels].filter((label) => label.startsWith(`${name}:`)),
  ]);
  const { one, two } = allCases();
  const even = { one: evenShare(one), two: evenShare(two) };
  const table = markdown(rows, networkNames, order, even);
  print('');
  print(table);
  if (flags.write) {
    await replaceFile(path, between(readFileSync(path, 'utf8'), table, page));
    print(`\nwritten: ${page}`);
  }
  for (const failure of failures) process.stderr.write(`localisation: ${failure}\n`);
  return failures.length > 0 ? 1 : 0;
}

/** Measures what `rows` lacks and puts it there. @returns what went wrong with methods that failed. */
async function measure(
  root: string,
  flags: Flags,
  rows: LocalisationRow[],
  print: (line: string) => void,
): Promise<string[]> {
  const failures: string[] = [];
  const gpu = await Gpu.request();
  try {
    for (const name of flags.networks) {
      const weights = new Uint8Array(readFileSync(join(root, 'models', `${name}.safetensors`)));
      const net = Net.load(gpu, undefined, weights);
      for (const job of flags.jobs) {
        const pictures = picturesFor(job.method, flags);
        const at = rows.findIndex((r) => r.network === name && r.method === job.label);
        if (at >= 0 && !flags.again && covers(rows[at], pictures, gpu.adapterName)) continue;
        try {
          const row = await measureRow(net, job, pictures, gpu.adapterName);
          if (at >= 0) rows[at] = row;
          else rows.push(row);
          print(inWords(row));
        } catch (error) {
          if (gpu.lostError) throw error;
          // The others can still be measured.
          failures.push(`${name} ${job.label} failed: ${(error as Error).message}`);
          continue;
        }
        if (flags.json !== undefined) {
          await replaceFile(flags.json, `${JSON.stringify({ rows }, null, 2)}\n`);
        }
      }
      net.destroy();
    }
  } finally {
    gpu.destroy();
  }
  return failures;
}

/** Pictures with one animal and with two. */
function picturesFor({ passes }: Method, { pictures }: Flags): { one: number; two: number } {
  const one = pictures ?? defaultPictures[passes];
  return { one, two: Math.ceil(one / 2) };
}

/** Whether a row needs not be measured: it is of this device, and of as many pictures or more. */
const covers = (row: LocalisationRow, { one }: { one: number }, adapter: string) =>
  row.adapter === adapter && row.pictures.one >= one;

async function measureRow(
  net: Net,
  { label, method, options }: Job,
  pictures: { one: number; two: number },
  adapter: string,
): Promise<LocalisationRow> {
  const about = { network: net.name, method: label, adapter, pictures };
  const { one, two } = allCases();
  const sets = [one.slice(0, pictures.one), two.slice(0, 2 * pictures.two)];
  const maps = sets.flat().length;
  const { stderr } = process;
  const wipe = () => stderr.isTTY && stderr.write('\r\x1b[K');
  try {
    const { scores, msPerMap } = await judgeMaps(net, method, sets, {
      options,
      batch: batches[method.passes],
      onProgress: (done) => {
        wipe();
        if (stderr.isTTY) stderr.write(`${net.name} ${label}: ${done} of ${maps} maps`);
      },
    });
    return { ...about, found: { one: scores[0], two: scores[1], msPerMap } };
  } catch (error) {
    if (!(error instanceof LayerError)) throw error;
    return { ...about, refused: error.message };
  } finally {
    wipe();
  }
}

/** Share of a map that is the same everywhere: that of the picture which the animals cover. */
function evenShare(cases: readonly LocalisationCase[]): number {
  const shares = cases.map(({ mask }) => Array.from(mask).filter(Boolean).length / mask.length);
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

function readRows(path: string): LocalisationRow[] {
  if (!existsSync(path)) return [];
  let rows: unknown;
  try {
    ({ rows } = JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    throw new RangeError(`--json ${path}: is no JSON`);
  }
  if (!Array.isArray(rows)) {
    throw new RangeError(`--json ${path}: has no rows, was not written by this command`);
  }
  return rows;
}

/** Writes a file that appears whole or not at all. */
async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}`;
  await writeFile(aside, text);
  await rename(aside, path);
}
