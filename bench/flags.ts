import { parseArgs } from 'node:util';
import type { Storage } from '../src/gpu/tensor.js';
import type { TuneMode } from '../src/gpu/tuner.js';
import type { Selection } from './cases.js';
import { tuneModeOf, tuneOption, tuneUsage } from './tune-flag.js';

export const usageText = `Checks the kernels and networks, then measures them. See bench/README.md.

  --only REGEX     cases whose line (kernel, shapes, options) or network matches
  --kernels        kernels only
  --networks       networks only
  --quick          a subset that a software adapter gets through in about a minute
  --variants       all variants of a kernel, not only the one that is picked
  --rounds N       rounds of measuring (default 7; 3 with --quick)
  --batch N        images at once (default 1)
  --storage TYPE   f16: networks with weights and values in 16 bits (default f32); kernels are left out
${tuneUsage(17)}
  --json FILE      where to write the result (default bench/results/<runtime>.json)
  --compare FILE   an earlier result: print what changed by more than 10 %
  --list           print the cases and stop
  --help           this text`;

export interface Flags {
  readonly selection: Selection;
  readonly json?: string;
  readonly compare?: string;
  readonly list: boolean;
  readonly help: boolean;
}

/** Reads the command line. @throws RangeError with one line on what is wrong. */
export function parseFlags(args: readonly string[]): Flags {
  const text = { type: 'string' } as const;
  const yes = { type: 'boolean' } as const;
  let values: Partial<Record<string, string | boolean>>;
  let tune: TuneMode;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        ...{ only: text, rounds: text, batch: text, storage: text, json: text, compare: text },
        ...{ kernels: yes, networks: yes, quick: yes, variants: yes, list: yes, help: yes },
        ...tuneOption,
      },
    }));
    tune = tuneModeOf(values.tune as string | undefined);
  } catch (error) {
    throw new RangeError(`bench: ${(error as Error).message.split('\n')[0]}`);
  }
  const given = <T>(value: T | undefined, name: string) =>
    value === undefined ? {} : { [name]: value };
  const { kernels, networks, quick, variants } = values;
  if (kernels && networks)
    throw new RangeError('bench: --kernels and --networks exclude each other');
  const storage = storageOf(values.storage as string | undefined);
  if (kernels && storage === 'f16')
    throw new RangeError('bench: --storage f16 is for networks, not for --kernels');
  const part = kernels ? 'kernels' : networks || storage === 'f16' ? 'networks' : undefined;
  return {
    selection: {
      ...given(pattern(values.only as string | undefined), 'only'),
      ...given(part, 'part'),
      ...given(quick, 'quick'),
      ...given(variants, 'variants'),
      ...given(count('rounds', values.rounds as string | undefined), 'rounds'),
      ...given(count('batch', values.batch as string | undefined), 'batch'),
      ...given(storage, 'storage'),
      ...(tune !== 'never' && { tune }),
    },
    ...given(values.json as string | undefined, 'json'),
    ...given(values.compare as string | undefined, 'compare'),
    list: values.list === true,
    help: values.help === true,
  };
}

function storageOf(text: string | undefined): Storage | undefined {
  if (text === undefined || text === 'f32' || text === 'f16') return text;
  throw new RangeError(`bench: --storage is ${text}, should be f32 or f16`);
}

function count(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`bench: --${name} is ${text}, should be a whole number of at least 1`);
  }
  return value;
}

function pattern(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    new RegExp(text);
  } catch (error) {
    throw new RangeError(`bench: --only: ${(error as Error).message}`);
  }
  return text;
}
