import { InvalidArgumentError, Option } from 'commander';
import type { Profile } from '../cam/profiles.js';
import { profiles } from '../cam/profiles.js';
import { ShapeError } from '../errors.js';
import type { Storage } from '../gpu/tensor.js';
import { type TuneMode, tuneModes } from '../gpu/tuner.js';
import { type ColormapName, colormapNames } from '../image/colormap.js';
import { networks } from '../net/zoo/index.js';
import { UsageError } from './io.js';

/** Flags of every command that runs a network. */
export interface NetworkFlags {
  readonly network?: string;
  readonly weightPath?: string;
  readonly labels?: string;
  readonly adapter: 'auto' | 'software';
  readonly tune?: TuneMode;
  readonly storage?: Storage;
  readonly json?: boolean;
}

/** Flags of a command that reads photos. */
export interface ImageFlags {
  readonly imagePath?: readonly string[];
}

/** A method as `--method` names it. */
export interface MethodChoice {
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
}

export const networkOption = () =>
  new Option(
    '--network <name>',
    `network: ${[...networks.keys()].join(', ')} (default: the one the weights belong to, else toy_vgg)`,
  );

export const jsonOption = () => new Option('--json', 'print one JSON document on stdout');

export const storageOption = () =>
  new Option(
    '--storage <type>',
    'f16: weights and the values between layers in 16 bits, half the bytes, on adapters with shader-f16; sums are 32-bit all the same',
  )
    .choices(['f32', 'f16'] satisfies Storage[])
    .default('f32');

/** What `--tune` does, for every command that has it. */
export const tuneAbout =
  'first-use: time variants of kernels on this adapter and remember the fastest; full: for longer';

export const networkOptions = () => [
  networkOption(),
  new Option(
    '--weight-path <file>',
    'weights: a .safetensors or PyTorch .pth file, or its http(s) address (default: the embedded toy weights)',
  ),
  new Option(
    '--labels <file>',
    'names of the classes: a JSON list, or a text file with one a line (default: those in the weights file)',
  ),
  new Option('--adapter <kind>', 'software: compute on the CPU')
    .choices(['auto', 'software'])
    .default('auto'),
  new Option('--tune <when>', tuneAbout).choices(tuneModes).default(tuneModes[0]),
  storageOption(),
  jsonOption(),
];

/** For commands that need no image: the side of a square input. */
export const inputSizeOption = () =>
  new Option(
    '--input-size <pixels>',
    'side of the input (default: what it was trained for)',
  ).argParser(count);

/** The side asked for by {@link inputSizeOption}. @throws ShapeError for one too large to list. */
export function inputSide(
  net: { readonly inputSize: readonly [number, number] },
  { inputSize = net.inputSize[0] }: { readonly inputSize?: number },
): number {
  if (inputSize <= 8192) return inputSize;
  throw new ShapeError(`--input-size ${inputSize}: should be at most 8192`);
}

export const imagePathOption = () =>
  new Option('--image-path <file>', 'a photo (also as an argument); may be repeated').argParser(
    collect,
  );

export const layerOption = () =>
  new Option(
    '--layer-name <name>',
    "layer, or several by commas where a method takes them (default: the network's own, which `layers` marks)",
  ).argParser(names);

/** @param fallback without it the colours are chosen by what is drawn: `byDefault` says which */
export const colormapOption = (fallback: ColormapName | undefined, byDefault = '') =>
  new Option('--colormap <name>', `colours${byDefault && ` (default: ${byDefault})`}`)
    .choices(colormapNames)
    .default(fallback);

export const outputDirOption = () =>
  new Option('--output-dir <folder>', 'where the results go').default('results');

export const profileOption = () =>
  new Option('--profile <name>', 'whose conventions to follow where libraries differ')
    .choices(Object.keys(profiles) as Profile[])
    .default('paper');

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** Names separated by commas, after those of the same flag given before. */
export function names(value: string, before: readonly string[] = []): string[] {
  const given = value.split(',').map((name) => name.trim());
  if (given.includes('')) throw new InvalidArgumentError('A name is empty.');
  return [...before, ...given];
}

/** Class numbers separated by commas, after those of the same flag given before. */
export function classIds(value: string, before: readonly number[] = []): number[] {
  const given = names(value).map((text) => {
    if (!/^\d{1,9}$/.test(text)) {
      throw new InvalidArgumentError(
        `"${text}" should be a whole number from 0, or several by commas.`,
      );
    }
    return Number(text);
  });
  return [...before, ...given];
}

/** A number from 0 to 1. */
export function fraction(value: string): number {
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (!(number >= 0 && number <= 1)) {
    throw new InvalidArgumentError('Should be a number from 0 to 1.');
  }
  return number;
}

/** A positive number of MiB. */
export function mebibytes(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !(number > 0 && Number.isFinite(number))) {
    throw new InvalidArgumentError('Should be a number of MiB above 0 (one copy is always made).');
  }
  return number;
}

/** A whole number of at least 1. */
export function count(value: string): number {
  if (!/^[1-9]\d{0,8}$/.test(value)) {
    throw new InvalidArgumentError('Should be a whole number of at least 1.');
  }
  return Number(value);
}

/**
 * Reads `grad-cam,score-cam:batch=64,score=logit`: a comma separates methods and options alike, so a piece with `=` and no `:` before it
 * belongs to the method before it.
 */
export function methodChoices(value: string, before: readonly MethodChoice[] = []): MethodChoice[] {
  const choices: { name: string; options: Record<string, string> }[] = [];
  for (const piece of names(value)) {
    const isOption = /^[^:=]*=/.test(piece);
    const colon = piece.indexOf(':');
    let option: string | undefined = piece;
    if (!isOption) {
      // Without a prototype: `__proto__` would be a name like no other.
      const options: Record<string, string> = Object.create(null);
      choices.push({ name: colon < 0 ? piece : piece.slice(0, colon), options });
      option = colon < 0 ? undefined : piece.slice(colon + 1);
    }
    if (option === undefined) continue;
    const equals = option.indexOf('=');
    const method = choices.at(-1);
    if (!method) throw new InvalidArgumentError(`"${piece}" comes before any method.`);
    if (equals < 1) {
      throw new InvalidArgumentError(
        `"${option}" should be an option, as in ${method.name}:key=value.`,
      );
    }
    method.options[option.slice(0, equals)] = option.slice(equals + 1);
  }
  return [...before, ...choices];
}

/** The photos named as arguments and by `--image-path`. @throws UsageError if there is none */
export function imagePaths(positional: readonly string[], flags: ImageFlags): string[] {
  const paths = [...positional, ...(flags.imagePath ?? [])];
  if (paths.length === 0) {
    throw new UsageError('no image given: name at least one PNG, JPEG or WebP file');
  }
  return paths;
}
