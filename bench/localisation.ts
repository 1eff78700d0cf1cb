/** `npm run localisation`: whether each method's heat lies on the animal it is asked for, over held-out ToyPets. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Method, methods } from '../src/cam/index.js';
import { LayerError } from '../src/errors.js';
import { judgeMaps, type LocalisationCase, onePetCases, twoPetCases } from '../src/eval/index.js';
import { Gpu } from '../src/gpu/device.js';
import type { TuneMode } from '../src/gpu/tuner.js';
import { Net } from '../src/net/net.js';
import { embeddedNetworks } from '../src/net/zoo/index.js';
import { inWords, type LocalisationRow, markdown } from './localisation-table.js';
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
import { between } from './section.js';
import { tuneModeOf, tuneOption, tuneUsage } from './tune-flag.js';

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
  --json FILE       keep each finished row there, and skip those that it has, of any device: an interrupted run goes on
  --again           measure rows that FILE has, too
${tuneUsage(18)}
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
  readonly tune: TuneMode;
  readonly write: boolean;
  readonly help: boolean;
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
  'is-cam': 'is-cam:steps=2',
  rise: 'rise:masks=250',
  lime: 'lime:samples=200',
  'kernel-shap': 'kernel-shap:samples=200',
  'meaningful-perturbation': 'meaningful-perturbation:steps=40',
  'extremal-perturbation': 'extremal-perturbation:steps=40',
};
const enhanced = [
  'grad-cam',
  'layer-cam',
  'hires-cam',
  'lrp',
  'partial-lrp',
  'transformer-attribution',
].map((name) => `enhanced-${name}`);

/** What is measured by default: every method of the registry, and the sliding window over some. */
const offered = (): readonly string[] => [
  ...[...methods.keys()].map((name) => measuredAs[name] ?? name),
  ...enhanced,
];

/** Runs the command. @returns the exit code: 0 done, 1 a method failed, 2 bad usage. */
export function main(root: string, args: readonly string[]): Promise<number> {
  return exitCodeOf('localisation', () => run(root, parseFlags(args)));
}

/** Reads the command line. @throws RangeError, LayerError with one line on what is wrong. */
export function parseFlags(args: readonly string[]): Flags {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean', default: false } as const;
  return parsed(() => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...{ network: text, methods: text, pictures: text, json: text },
        ...{ again: yes, write: yes, help: yes },
        ...tuneOption,
      },
    });
    const { network, pictures, json, again, write, help } = values;
    return {
      networks: network === undefined ? networkNames : network.split(',').map(networkNamed),
      jobs: jobsNamed(values.methods ?? offered().join(',')),
      ...(pictures !== undefined && {
        pictures: wholeNumber('pictures', pictures, 1, allPictures),
      }),
      ...(json !== undefined && { json }),
      ...{ again, write, help, tune: tuneModeOf(values.tune) },
    };
  });
}

function networkNamed(name: string): string {
  if (networkNames.includes(name)) return name;
  throw new RangeError(`--network ${name}: should be ${networkNames.join(' or ')}`);
}

async function run(root: string, flags: Flags): Promise<number> {
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  if (flags.help) {
    print(usageText);
    return 0;
  }
  const path = join(root, page);
  // Before anything runs: a page without the markers would show only after half an hour.
  if (flags.write) between(readFileSync(path, 'utf8'), '', page, 'localisation');
  const rows = readRows<LocalisationRow>(flags.json);
  const failures = await measure(root, flags, rows, print);

  const { one, two } = allCases();
  const even = { one: evenShare(one), two: evenShare(two) };
  const table = markdown(rows, networkNames, inOrder(rows, enhanced), even);
  print('');
  print(table);
  if (flags.write) {
    await replaceFile(path, between(readFileSync(path, 'utf8'), table, page, 'localisation'));
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
  const { tune } = flags;
  const gpu = await Gpu.request({ tune });
  // Its milliseconds are others.
  const adapter = tune === 'never' ? gpu.adapterName : `${gpu.adapterName}, tuned (${tune})`;
  try {
    for (const name of flags.networks) {
      const weights = new Uint8Array(readFileSync(join(root, 'models', `${name}.safetensors`)));
      const net = Net.load(gpu, undefined, weights);
      const done = await measureMissing(name, flags.jobs, {
        ...{ gpu, rows, json: flags.json },
        suffices: (row, { method }) => !flags.again && covers(row, picturesFor(method, flags)),
        measure: (job) => measureRow(net, job, picturesFor(job.method, flags), adapter),
        tell: (row) => print(inWords(row)),
      });
      failures.push(...done);
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

/** Whether a row needs not be measured: it is of as many pictures or more. Where heat lies hardly depends on the adapter; what it took is marked. */
const covers = (row: LocalisationRow, { one }: { one: number }) => row.pictures.one >= one;

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
