import { Command, InvalidArgumentError, Option } from 'commander';
import { inputValue } from '../cam/input.js';
import { isSigned, type Method, type OptionValues } from '../cam/method.js';
import { optionsOf } from '../cam/options.js';
import { methodNamed } from '../cam/registry.js';
import { classTarget } from '../cam/target.js';
import { TargetError } from '../errors.js';
import {
  fewestMaps,
  type SanityMode,
  type SanityResult,
  type SanityVerdict,
  type Similarity,
  sanity,
  sanityLayers,
  sanityVerdict,
} from '../eval/index.js';
import { Recorder } from '../gpu/recorder.js';
import type { ColormapName } from '../image/colormap.js';
import { encodePng } from '../image/encode-node.js';
import { Photo, type RgbaImage } from '../image/photo.js';
import type { Net } from '../net/net.js';
import {
  classIds,
  colormapOption,
  count,
  type ImageFlags,
  imagePathOption,
  imagePaths,
  layerOption,
  type MethodChoice,
  mebibytes,
  methodChoices,
  type NetworkFlags,
  names,
  networkOptions,
  outputDirOption,
} from './flags.js';
import { decodeFile, type ImageFile, imageFiles } from './images.js';
import { type Io, json, table, UsageError } from './io.js';
import { checkFlagsTaken, checkSuits } from './method-checks.js';
import { type ChosenNetwork, chooseNetwork, withNet } from './network.js';
import { checkWritable, OutputFiles } from './output-files.js';
import { packageVersion } from './package.js';
import { Progress } from './progress.js';
import { drawStrip } from './sanity-strip.js';

interface SanityFlags extends NetworkFlags, ImageFlags {
  readonly method?: readonly MethodChoice[];
  readonly mode: SanityMode;
  readonly steps: number;
  readonly randomLayers?: readonly string[];
  readonly layerName?: readonly string[];
  readonly classId?: readonly number[];
  readonly seed: string;
  readonly outputDir: string;
  readonly colormap?: ColormapName;
  /** MiB. */
  readonly memory?: number;
}

/** A method with its options, under the name it was given. */
interface Job {
  readonly name: string;
  readonly method: Method;
  readonly options: Readonly<Record<string, string>>;
  /** Of all its options. */
  readonly values: OptionValues;
}

interface Finding extends Job {
  readonly result: SanityResult;
  readonly verdict: SanityVerdict | undefined;
}

/** `webgpu-cam sanity`: whether maps depend on what the network has learnt. */
export function sanityCommand(io: Io): Command {
  const command = new Command('sanity')
    .description(
      'test whether maps depend on what the network has learnt: layers are made random from the output down, and the maps compared',
    )
    .argument('[images...]', 'photos: PNG, JPEG or WebP')
    .addOption(imagePathOption());
  for (const option of networkOptions()) command.addOption(option);
  return command
    .addOption(
      new Option(
        '--method <name>',
        'method, or several by commas, with options as in name:key=value (default: grad-cam)',
      ).argParser(methodChoices),
    )
    .addOption(
      new Option('--mode <name>', 'layers random from the output down, or one at a time')
        .choices(['cascading', 'independent'])
        .default('cascading'),
    )
    .addOption(
      new Option('--steps <number>', 'most layers to go through, evenly spaced')
        .argParser(stepCount)
        .default(12),
    )
    .addOption(
      new Option(
        '--random-layers <names>',
        'go through these layers, or blocks by the start of their names, by commas',
      ).argParser(names),
    )
    .addOption(layerOption())
    .addOption(
      new Option(
        '--class-id <number>',
        'class to explain (default: of each photo the one that the trained network predicts)',
      ).argParser(classIds),
    )
    .addOption(new Option('--seed <seed>', 'seed of the random layers').default('sanity'))
    .addOption(outputDirOption())
    .addOption(colormapOption(undefined, 'viridis, for maps with a sign bwr'))
    .addOption(
      new Option(
        '--memory <MiB>',
        'what one batch of masked copies may take on the GPU (default: a quarter of its largest buffer)',
      ).argParser(mebibytes),
    )
    .action(async (positional: string[], flags: SanityFlags) => {
      await checkImages(positional, flags, io);
    });
}

function stepCount(value: string): number {
  const number = count(value);
  if (number < 2) throw new InvalidArgumentError('Should be a whole number of at least 2.');
  return number;
}

async function checkImages(
  positional: readonly string[],
  flags: SanityFlags,
  io: Io,
): Promise<void> {
  // Everything that can be wrong is looked at before the GPU is asked for anything.
  const files = await imageFiles(imagePaths(positional, flags));
  const jobs = jobsOf(flags);
  const chosen = await chooseNetwork(flags, io);
  checkSuits(jobs, chosen.description);
  const layers = checkLayers(chosen.description, flags);
  checkClass(chosen.description, flags.classId);
  checkWritable(flags.outputDir);

  await withNet(chosen, flags, io, async (net, gpu) => {
    const photos: Photo[] = [];
    const output = new OutputFiles(flags.outputDir, io.signal);
    const progress = new Progress(io.stderr, 'checking', jobs.length * (layers + 1), 'networks');
    try {
      for (const file of files) photos.push(Photo.fromRgba(gpu, await decodeFile(file)));
      const findings: Finding[] = [];
      for (const [j, job] of jobs.entries()) {
        const onProgress = (done: number, total: number) =>
          progress.update(j * total + done, job.name);
        findings.push(await check(net, photos, job, flags, { io, onProgress }));
      }
      const strips: string[] = [];
      for (const [n, file] of files.entries()) {
        const seen = await asSeen(net, photos[n]);
        strips.push(
          output.add(`${file.name}.sanity.png`, strip(net, file, n, seen, findings, flags)),
        );
      }
      const summary = summaryOf(net, gpu.adapterName, chosen, files, strips, findings, flags);
      const path = output.add('sanity.json', json(summary));
      output.commit();
      progress.stop();
      io.stdout.write(
        flags.json ? json(summary) : described(net, findings, files.length, [...strips, path]),
      );
    } finally {
      progress.stop();
      output.discard();
      for (const photo of photos) photo.destroy();
    }
  });
}

/** @throws LayerError for an unknown method, or an option that it does not have or allow; UsageError for a layer that none takes. */
function jobsOf({
  method: choices = [{ name: 'grad-cam', options: {} }],
  layerName,
}: SanityFlags): Job[] {
  const jobs = choices.map(({ name, options }) => {
    const method = methodNamed(name);
    const values = optionsOf(method, options);
    const given = Object.entries(options).map(([key, value]) => `${key}=${value}`);
    const full = given.length > 0 ? `${name}:${given.join(',')}` : name;
    return { name: full, method, options, values };
  });
  checkFlagsTaken(jobs, { layerName });
  return jobs;
}

/** @returns how many layers are gone through. @throws LayerError for one that is not there, or has nothing to make random. */
function checkLayers(net: Net, { layerName, randomLayers, mode, steps }: SanityFlags): number {
  for (const layer of layerName ?? []) net.graph.get(layer);
  return sanityLayers(net.graph, { mode, layers: randomLayers, steps }).length;
}

function checkClass(net: Net, given: readonly number[] = []): void {
  if (given.length > 1) {
    throw new UsageError(`--class-id takes one class for all photos, got ${given.length}`);
  }
  for (const classId of given) {
    if (classId < net.classes) continue;
    throw new TargetError(
      `--class-id ${classId} is out of range: ${net.name} has classes 0 .. ${net.classes - 1}`,
    );
  }
}

async function check(
  net: Net,
  photos: readonly Photo[],
  job: Job,
  flags: SanityFlags,
  { io, onProgress }: { io: Io; onProgress: (done: number, total: number) => void },
): Promise<Finding> {
  const { mode, steps, seed, randomLayers, layerName, classId, memory } = flags;
  const result = await sanity(net, photos, {
    ...{ method: job.method, options: job.options, mode, steps, seed, onProgress },
    ...(randomLayers && { layers: randomLayers }),
    ...(layerName && job.method.layers !== 'none' && { layer: layerName }),
    ...(classId && { target: classTarget(classId[0]) }),
    ...(memory !== undefined && { memoryBytes: memory * 2 ** 20 }),
    ...(io.signal && { signal: io.signal }),
  });
  return { ...job, result, verdict: sanityVerdict(result) };
}

/** The part of a photo that the network sees, at its input's size. */
async function asSeen(net: Net, photo: Photo): Promise<RgbaImage> {
  const recorder = Recorder.on(net.gpu!);
  const [tensor] = await recorder.run([inputValue(recorder, net, photo)]);
  const [, , height, width] = tensor.shape;
  const values = await tensor.read();
  tensor.destroy();
  const { mean, std } = net.preprocessing;
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  values.forEach((value, i) => {
    const c = Math.floor(i / (width * height));
    rgba[4 * (i % (width * height)) + c] = 255 * (value * std[c] + mean[c]);
  });
  return { width, height, rgba };
}

const twoDigits = (value: number | undefined) => (value === undefined ? '' : value.toFixed(2));

/** The picture of one photo: PNG bytes. */
function strip(
  net: Net,
  file: ImageFile,
  n: number,
  photo: RgbaImage,
  findings: readonly Finding[],
  { mode, colormap }: SanityFlags,
): Uint8Array {
  const { size, classIds: explained, steps } = findings[0].result;
  const pixels = size[0] * size[1];
  const classId = explained[n];
  const what = classId === null ? '' : ` for ${classId} ${net.label(classId)}`;
  const { rgba, width, height } = drawStrip({
    title: `${file.name}${what}: ${net.name}, ${mode} randomisation`,
    photo,
    size,
    columns: ['trained', ...steps.map(({ layer }) => layer)],
    rows: findings.map(({ name, method, result, verdict }) => ({
      title: name,
      note: verdict ? verdictWords(verdict) : '',
      colormap: colormap ?? (isSigned(method) ? 'bwr' : 'viridis'),
      cells: [
        { map: result.maps.subarray(n * pixels, (n + 1) * pixels), note: 'rank correlation' },
        ...result.steps.map(({ maps, images }) => ({
          map: maps.subarray(n * pixels, (n + 1) * pixels),
          note: twoDigits(images[n].spearman),
        })),
      ],
    })),
  });
  return encodePng(rgba, width, height);
}

const verdictWords = ({ passes, most, kept }: SanityVerdict): string =>
  `${passes ? 'passes' : 'fails'}: keeps ${Math.round(100 * Math.max(0, kept[most] ?? 0))} % (${measureNames[most]})`;

const noVerdict = ({ mode }: SanityResult): string =>
  mode === 'independent'
    ? 'no verdict from layers one at a time'
    : `no verdict from fewer than ${fewestMaps} maps`;

const measureNames = { spearman: 'rank', signedSpearman: 'signed rank', ssim: 'SSIM', hog: 'HOG' };

/** `sanity.json`. */
function summaryOf(
  net: Net,
  adapter: string,
  { loaded }: ChosenNetwork,
  files: readonly ImageFile[],
  strips: readonly string[],
  findings: readonly Finding[],
  { mode, seed }: SanityFlags,
): object {
  const { classIds: explained } = findings[0].result;
  return {
    network: net.name,
    weightsSha256: loaded.sha256,
    adapter,
    version: packageVersion(),
    mode,
    seed,
    images: files.map(({ path }, n) => {
      const classId = explained[n];
      return {
        image: path,
        classId,
        label: classId === null ? null : net.label(classId),
        strip: strips[n],
      };
    }),
    methods: findings.map(({ name, method, values, result, verdict }) => ({
      method: method.name,
      label: name,
      options: values,
      chance: result.chance,
      blank: result.blank,
      steps: result.steps.map(({ layer, randomised, mean, blank, images }) => ({
        ...{ layer, randomised, mean, blank, images },
      })),
      kept: verdict?.kept ?? null,
      passes: verdict?.passes ?? null,
    })),
  };
}

function described(
  net: Net,
  findings: readonly Finding[],
  photos: number,
  paths: readonly string[],
): string {
  const { mode } = findings[0].result;
  const cells = (s: Similarity) => [s.spearman, s.signedSpearman, s.ssim, s.hog].map(twoDigits);
  const rows = findings.flatMap(({ name, result }) => [
    [name, 'mirrored: by chance', ...cells(result.chance), ''],
    ...result.steps.map(({ layer, mean, blank: none }) => [
      '',
      layer,
      ...cells(mean),
      none > 0 ? String(none) : '',
    ]),
  ]);
  const head = ['method', 'random', 'rank', 'signed rank', 'SSIM', 'HOG', 'blank'];
  const words = findings.map(({ name, verdict, result }) => {
    const none = result.blank.filter(Boolean).length;
    const without =
      none > 0 ? `; ${none} of ${photos} trained maps show nothing and do not count` : '';
    return `${name}: ${verdict ? verdictWords(verdict) : noVerdict(result)}${without}\n`;
  });
  return (
    `${net.name}, ${mode} randomisation, ${photos} ${photos === 1 ? 'photo' : 'photos'}: likeness to the trained network's maps\n` +
    `${table([head, ...rows])}${words.join('')}${paths.map((path) => `${path}\n`).join('')}`
  );
}
