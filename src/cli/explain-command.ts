import { join } from 'node:path';
import { Command, Option } from 'commander';
import { type ExplainOptions, explain } from '../cam/explain.js';
import { isOfPixels, type OptionValues } from '../cam/method.js';
import type { Prediction } from '../cam/predict.js';
import type { Profile } from '../cam/profiles.js';
import type { MapSummary, SaliencyMap } from '../cam/saliency-map.js';
import type { Gpu } from '../gpu/device.js';
import type { Storage } from '../gpu/tensor.js';
import type { ColormapName } from '../image/colormap.js';
import { npy } from '../image/npy.js';
import { Photo, type RgbaImage } from '../image/photo.js';
import type { Net } from '../net/net.js';
import { drawMap, drawNoMap } from './draw.js';
import { type Ask, type Job, type JobFlags, jobsOf, methodsOf } from './explain-jobs.js';
import {
  classIds,
  colormapOption,
  fraction,
  type ImageFlags,
  imagePathOption,
  imagePaths,
  layerOption,
  mebibytes,
  methodChoices,
  type NetworkFlags,
  networkOptions,
  outputDirOption,
  profileOption,
} from './flags.js';
import { decodeFile, type ImageFile, imageFiles } from './images.js';
import { type Io, json } from './io.js';
import { type ChosenNetwork, chooseNetwork, withNet } from './network.js';
import { checkWritable, OutputFiles } from './output-files.js';
import { Pace, unitOf } from './pace.js';
import { packageVersion } from './package.js';
import { Progress } from './progress.js';
import { shortly, topFive } from './top-five.js';

interface ExplainFlags extends NetworkFlags, ImageFlags, JobFlags {
  readonly outputDir: string;
  readonly colormap?: ColormapName;
  readonly alpha: number;
  readonly npyRaw?: boolean;
  /** MiB. */
  readonly memory?: number;
}

/** One map in `summary.json`; keys that the README promises keep their names. */
interface ResultSummary {
  readonly method: string;
  readonly options: OptionValues;
  readonly profile: Profile;
  /** Several are joined by commas; `input` for gradients of the pixels, null for methods that choose themselves. */
  readonly layer: string | null;
  /** What was explained, in words. */
  readonly target: string;
  /** Null where several classes are explained as one. */
  readonly classId: number | null;
  readonly label: string | null;
  readonly score: number;
  /** Whether the map has a sign: 0.5 is 0, above speaks for the target, below against it. */
  readonly signed: boolean;
  readonly rawMin: number;
  readonly rawMax: number;
  /** What the method tells beside its map, by name: `convergenceDelta`. */
  readonly numbers: Readonly<Record<string, number>>;
  readonly seed: string | number | null;
  readonly timesMs: Readonly<Record<string, number>>;
  readonly peakGpuBytes: number;
  /** Why the map should not be trusted; empty if it is fine. */
  readonly warnings: readonly string[];
  /** File names in the same folder. */
  readonly files: Readonly<Record<string, string>>;
}

/** `summary.json`: one a photo. The first result's keys stand at the top too, for programs that ask for one map. */
interface Summary extends ResultSummary {
  readonly image: string;
  readonly network: string;
  /** Of weights and the values between layers. */
  readonly storage: Storage;
  readonly weightsSha256: string;
  readonly adapter: string;
  readonly version: string;
  readonly top5: readonly Prediction[];
  readonly results: readonly ResultSummary[];
}

/** `webgpu-cam explain`. */
export function explainCommand(io: Io): Command {
  const command = new Command('explain')
    .description('draw which pixels of a photo made the network say so')
    .argument('[images...]', 'photos: PNG, JPEG or WebP')
    .addOption(imagePathOption());
  for (const option of networkOptions()) command.addOption(option);
  return command
    .addOption(layerOption())
    .addOption(
      new Option(
        '--class-id <number>',
        'class to explain, or several by commas, each by itself (default: the predicted class)',
      ).argParser(classIds),
    )
    .addOption(
      new Option(
        '--top-five',
        'explain the five likeliest classes with weights 3, 2, 1.5, 1, 1',
      ).conflicts(['classId', 'probability']),
    )
    .addOption(new Option('--probability', "explain the class's probability, not its logit"))
    .addOption(
      new Option(
        '--method <name>',
        'method, or several by commas, with options as in name:key=value,key=value; enhanced-... and smooth-... wrap one (default: grad-cam)',
      ).argParser(methodChoices),
    )
    .addOption(
      new Option(
        '--enhance',
        'sharpen every method by a sliding window: grad-cam as enhanced-grad-cam',
      ),
    )
    .addOption(profileOption())
    .addOption(new Option('--seed <seed>', 'seed of the methods that have one'))
    .addOption(outputDirOption())
    .addOption(colormapOption(undefined, 'jet; bwr for maps with a sign, red for, blue against'))
    .addOption(
      new Option('--alpha <fraction>', 'how much of the colour covers the photo, 0 to 1')
        .argParser(fraction)
        .default(0.5),
    )
    .addOption(
      new Option(
        '--memory <MiB>',
        'what one batch of masked copies may take on the GPU (default: a quarter of its largest buffer)',
      ).argParser(mebibytes),
    )
    .addOption(new Option('--npy-raw', 'also write the map before normalisation'))
    .action(async (images: string[], flags: ExplainFlags) => {
      await explainImages(images, flags, io);
    });
}

async function explainImages(
  positional: readonly string[],
  flags: ExplainFlags,
  io: Io,
): Promise<void> {
  // Everything that can be wrong is looked at before the GPU is asked for anything.
  const files = await imageFiles(imagePaths(positional, flags));
  const methods = methodsOf(flags);
  const chosen = await chooseNetwork(flags, io);
  const jobs = jobsOf(methods, flags, chosen.description);
  checkWritable(flags.outputDir);

  const summaries: Summary[] = [];
  await withNet(chosen, flags, io, async (net, gpu) => {
    const maps = jobs.reduce((sum, { asks }) => sum + asks.length, 0);
    const progress = new Progress(io.stderr, 'explaining', files.length * maps, 'maps');
    try {
      for (const [i, file] of files.entries()) {
        const onJob = (done: number, { asks }: Job, share = 0, pace = '') =>
          progress.update(
            i * maps + done + share * asks.length,
            `${file.path} ${asks.map(({ stem }) => stem).join(', ')}${pace && `: ${pace}`}`,
          );
        const folder = join(flags.outputDir, file.name);
        const run = { net, gpu, chosen, jobs, flags, io, file, folder, onJob };
        const summary = await explainImage(run);
        summaries.push(summary);
        if (!flags.json) progress.around(() => io.stdout.write(described(summary, folder)));
      }
    } finally {
      progress.stop();
    }
    for (const { image, results } of summaries) {
      for (const { method, classId, warnings } of results) {
        for (const warning of warnings) {
          io.stderr.write(
            `webgpu-cam: warning: ${image}: ${method}${classId === null ? '' : ` of class ${classId}`}: ${warning}\n`,
          );
        }
      }
    }
  });
  if (flags.json) io.stdout.write(json(summaries));
}

interface ImageRun {
  readonly net: Net;
  readonly gpu: Gpu;
  readonly chosen: ChosenNetwork;
  readonly jobs: readonly Job[];
  readonly flags: ExplainFlags;
  readonly io: Io;
  readonly file: ImageFile;
  /** Where its results go. */
  readonly folder: string;
  /** Called before each job, and as a long one proceeds: with the maps done before it, the share of it that is done, and how far it is in words. */
  readonly onJob: (done: number, job: Job, share?: number, pace?: string) => void;
}

async function explainImage(run: ImageRun): Promise<Summary> {
  const { net, gpu, chosen, jobs, io, file } = run;
  const start = performance.now();
  const image = await decodeFile(file);
  const decode = performance.now() - start;
  const photo = Photo.fromRgba(gpu, image);
  const files = new OutputFiles(run.folder, io.signal);
  try {
    const results: ResultSummary[] = [];
    let top5: Prediction[] | undefined;
    for (const job of jobs) {
      io.signal?.throwIfAborted();
      const before = results.length;
      run.onJob(before, job);
      const pace = new Pace(unitOf(job.method));
      const onProgress = (done: number, all: number) =>
        run.onJob(before, job, done / all, pace.tell(done, all));
      const made = await explainJob(job, run, onProgress, { image, photo, files, top5 });
      top5 = made.top5;
      results.push(...made.results);
    }
    const stages = sumOf(results.map((result) => result.timesMs));
    const total = chosen.loadMs + performance.now() - start;
    const summary: Summary = {
      image: file.path,
      network: net.name,
      storage: net.storage,
      weightsSha256: chosen.loaded.sha256,
      ...results[0],
      top5: top5!,
      adapter: gpu.adapterName,
      version: packageVersion(),
      peakGpuBytes: Math.max(...results.map((result) => result.peakGpuBytes)),
      timesMs: rounded({ load: chosen.loadMs, decode, ...stages, total }),
      results,
    };
    await files.add('summary.json', json(summary));
    await files.commit();
    return summary;
  } finally {
    files.discard();
    photo.destroy();
  }
}

/** Explains, draws and writes the maps of a job; the top five are computed from the first. */
async function explainJob(
  job: Job,
  { net, gpu, flags, io }: ImageRun,
  onProgress: (done: number, all: number) => void,
  given: GivenPhoto,
): Promise<{ results: ResultSummary[]; top5: Prediction[] }> {
  const watch = new Stopwatch();
  const { method, options, target, asks } = job;
  const layer = method.layers === 'none' ? undefined : job.layer;
  const how: ExplainOptions = {
    method,
    options,
    layer,
    target,
    profile: flags.profile,
    memoryBytes: flags.memory === undefined ? undefined : flags.memory * 2 ** 20,
    signal: io.signal,
    onProgress,
  };
  const photos = asks.map(() => given.photo);
  const explained = await explain(net, photos, how);
  try {
    const [data, told, logits, raw] = await Promise.all([
      explained.read(),
      explained.summaries(),
      explained.logits.read(),
      flags.npyRaw ? explained.raw.read() : undefined,
    ]);
    const top5 = given.top5 ?? topFive(net, logits.subarray(0, net.classes));
    watch.lap('explain');
    // Peak and time are of all the maps together: each has its share of the time.
    const shared = watch.take(asks.length);
    const { peakBytes } = gpu;
    const results: ResultSummary[] = [];
    for (const [n, ask] of asks.entries()) {
      const part = (all: Float32Array) =>
        all.subarray((n * all.length) / asks.length, ((n + 1) * all.length) / asks.length);
      const own = { n, data: part(data), raw: raw && part(raw), told: told[n] };
      const written = await writeMap(ask, explained, own, flags, given, watch);
      const { info } = explained;
      const classId = ask.classId === undefined ? top5[0].classId : ask.classId;
      const { seed = info.options.noiseSeed } = info.options;
      const { score, rawMin, rawMax, numbers, warnings } = own.told;
      results.push({
        method: method.name,
        options: info.options,
        profile: info.profile,
        layer: info.layers.join(',') || (isOfPixels(method) ? 'input' : null),
        target: method.usesTarget ? ask.target.description : info.target,
        classId,
        label: classId === null ? null : net.label(classId),
        score,
        signed: explained.signed,
        rawMin,
        rawMax,
        numbers,
        seed: typeof seed === 'string' || typeof seed === 'number' ? seed : null,
        timesMs: rounded({ ...shared, ...watch.take() }),
        peakGpuBytes: peakBytes,
        warnings,
        files: written,
      });
    }
    return { results, top5 };
  } finally {
    explained.destroy();
  }
}

/** A photo as it is explained, and where its maps go. */
interface GivenPhoto {
  readonly image: RgbaImage;
  readonly photo: Photo;
  readonly files: OutputFiles;
  readonly top5: Prediction[] | undefined;
}

/** Draws and writes map `n`. @returns the names of its files. */
async function writeMap(
  { stem }: Ask,
  explained: SaliencyMap,
  own: { n: number; data: Float32Array; raw: Float32Array | undefined; told: MapSummary },
  flags: ExplainFlags,
  { image, photo, files }: GivenPhoto,
  watch: Stopwatch,
): Promise<Record<string, string>> {
  const size = explained.map.shape.slice(1);
  const drawn =
    own.told.warnings.length === 0
      ? await drawMap(explained, photo, flags, own.n)
      : drawNoMap(image, size);
  watch.lap('draw');

  const names: Record<string, string> = {
    overlay: `${stem}.png`,
    heatmap: `${stem}.heatmap.png`,
    npy: `${stem}.npy`,
  };
  await files.add(names.overlay, drawn.overlay);
  await files.add(names.heatmap, drawn.heatmap);
  await files.add(names.npy, npy(own.data, size));
  if (own.raw) {
    names.npyRaw = `${stem}.raw.npy`;
    await files.add(names.npyRaw, npy(own.raw, explained.raw.shape.slice(1)));
  }
  watch.lap('write');
  return names;
}

/** Milliseconds by stage. */
class Stopwatch {
  #laps: Record<string, number> = {};
  #last = performance.now();

  lap(stage: string): void {
    const now = performance.now();
    this.#laps[stage] = now - this.#last;
    this.#last = now;
  }

  /** The laps since the last time, as one of `shares` has them. */
  take(shares = 1): Times {
    const laps = Object.entries(this.#laps).map(([stage, ms]) => [stage, ms / shares]);
    this.#laps = {};
    return Object.fromEntries(laps);
  }
}

type Times = Readonly<Record<string, number>>;

function sumOf(list: readonly Times[]): Times {
  const sum: Record<string, number> = {};
  for (const times of list) {
    for (const stage in times) sum[stage] = (sum[stage] ?? 0) + times[stage];
  }
  return sum;
}

/** To the microsecond: more digits are noise. */
const rounded = (times: Times): Times =>
  Object.fromEntries(
    Object.entries(times).map(([stage, ms]) => [stage, Math.round(1000 * ms) / 1000]),
  );

function described({ image, network, top5, results }: Summary, folder: string): string {
  const lines = results.map(({ method, layer, classId, label, target, score, ...rest }) => {
    const what = classId === null ? target : `${classId} ${label}`;
    const blank = rest.warnings.length > 0 ? ' (no map: see the warning)' : '';
    const path = join(folder, rest.files.overlay);
    const notes = [
      `${method} of ${what}`,
      `score ${score.toPrecision(5)}`,
      layer === null ? '' : `at ${layer}`,
      ...Object.entries(rest.numbers).map(([name, value]) => `${name} ${value.toPrecision(3)}`),
    ];
    return `  ${notes.filter(Boolean).join(', ')}: ${path}${blank}\n`;
  });
  return `${image}: ${network} says ${top5.map(shortly).join(', ')}\n${lines.join('')}`;
}
