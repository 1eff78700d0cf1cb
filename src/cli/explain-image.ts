import { explain } from '../cam/explain.js';
import { isOfPixels, isSigned } from '../cam/method.js';
import { optionsOf } from '../cam/options.js';
import { type Prediction, predict } from '../cam/predict.js';
import type { MapSummary, SaliencyMap } from '../cam/saliency-map.js';
import { TargetError } from '../errors.js';
import type { Gpu } from '../gpu/device.js';
import { npy } from '../image/npy.js';
import { type PaintOptions, Photo, type RgbaImage } from '../image/photo.js';
import type { Net } from '../net/net.js';
import { drawMap, drawNoMap } from './draw.js';
import { type Ask, apart, explainOptions, type Job, type JobFlags } from './explain-jobs.js';
import type { ResultSummary, Summary } from './explain-summary.js';
import { decodeFile, type ImageFile } from './images.js';
import { type Io, json } from './io.js';
import type { ChosenNetwork } from './network.js';
import { OutputFiles } from './output-files.js';
import { Pace, unitOf } from './pace.js';
import { packageVersion } from './package.js';
import { rounded, Stopwatch, sumOf } from './stopwatch.js';
import { topFive } from './top-five.js';

/** A photo to be explained, and all that it takes. */
export interface ImageRun {
  readonly net: Net;
  readonly gpu: Gpu;
  readonly chosen: ChosenNetwork;
  readonly jobs: readonly Job[];
  readonly flags: JobFlags & PaintOptions & { readonly npyRaw?: boolean };
  readonly io: Io;
  readonly file: ImageFile;
  /** Where its results go. */
  readonly folder: string;
  /** Called before each job, and as a long one proceeds: with the maps done before it, the share of it that is done, and how far it is in words. */
  readonly onJob: (done: number, job: Job, share?: number, pace?: string) => void;
}

/** An explained photo. */
export interface ImageResult {
  readonly summary: Summary;
  /** Written aside, to be committed or discarded by the caller. */
  readonly files: OutputFiles;
  readonly folder: string;
  /** Why there is none of its maps, if there is none. */
  readonly refusal: TargetError | undefined;
}

/** Explains a photo by all jobs. */
export async function explainImage(run: ImageRun): Promise<ImageResult> {
  const { net, gpu, chosen, jobs, io, file, folder } = run;
  const start = performance.now();
  const image = await decodeFile(file);
  const decode = performance.now() - start;
  const photo = Photo.fromRgba(gpu, image);
  const files = new OutputFiles(folder, io.signal);
  try {
    const results: ResultSummary[] = [];
    let top5: Prediction[] | undefined;
    let refusal: TargetError | undefined;
    for (const job of jobs) {
      io.signal?.throwIfAborted();
      const before = results.length;
      run.onJob(before, job);
      const pace = new Pace(unitOf(job.method));
      const onProgress = (done: number, all: number) =>
        run.onJob(before, job, done / all, pace.tell(done, all));
      const made = await answer(job, run, onProgress, { image, photo, files, top5 });
      top5 = made.top5;
      refusal ??= made.refusal;
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
    files.add('summary.json', json(summary));
    const isEmpty = results.every(({ score }) => score === null);
    return { summary, files, folder, refusal: isEmpty ? refusal : undefined };
  } catch (error) {
    files.discard();
    throw error;
  } finally {
    photo.destroy();
  }
}

/** What a job made of a photo. */
interface Answer {
  readonly results: readonly ResultSummary[];
  readonly top5: Prediction[];
  /** Why one of the maps is missing. */
  readonly refusal?: TargetError;
}

/**
 * A job's maps. A class that the method refuses (MSG-CAM does where the network takes the photo for another one) gets none, and does not take
 * the others' maps along: then they are made one by one.
 */
async function answer(
  job: Job,
  run: ImageRun,
  onProgress: (done: number, all: number) => void,
  given: GivenPhoto,
): Promise<Answer> {
  try {
    return await explainJob(job, run, onProgress, given);
  } catch (error) {
    if (!(error instanceof TargetError)) throw error;
    const top5 = given.top5 ?? (await predict(run.net, given.photo))[0];
    if (job.asks.length === 1) return refused(job, run, { ...given, top5 }, error);
    const results: ResultSummary[] = [];
    let refusal: TargetError | undefined;
    for (const one of apart(job)) {
      const made = await answer(one, run, onProgress, { ...given, top5 });
      results.push(...made.results);
      refusal ??= made.refusal;
    }
    return { results, top5, ...(refusal && { refusal }) };
  }
}

/** Explains, draws and writes the maps of a job; the top five are computed from the first. */
async function explainJob(
  job: Job,
  run: ImageRun,
  onProgress: (done: number, all: number) => void,
  given: GivenPhoto,
): Promise<Answer> {
  const { net, flags, io } = run;
  const watch = new Stopwatch();
  const { asks } = job;
  const photos = asks.map(() => given.photo);
  const how = { ...explainOptions(job, flags), signal: io.signal, onProgress };
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
    const about = aboutJob(job, run);
    const results: ResultSummary[] = [];
    for (const [n, ask] of asks.entries()) {
      const part = (all: Float32Array) =>
        all.subarray((n * all.length) / asks.length, ((n + 1) * all.length) / asks.length);
      const own = { n, data: part(data), raw: raw && part(raw), told: told[n] };
      const files = await writeMap(ask, explained, own, flags, given, watch);
      const { score, rawMin, rawMax, numbers, warnings } = own.told;
      results.push({
        ...about,
        ...aboutAsk(ask, job, net, top5),
        ...{ score, rawMin, rawMax, numbers, warnings, files },
        timesMs: rounded({ ...shared, ...watch.take() }),
      });
    }
    return { results, top5 };
  } finally {
    explained.destroy();
  }
}

/** In place of the map of a job's only class: a picture that is crossed out, and why. */
function refused(
  job: Job,
  run: ImageRun,
  given: GivenPhoto & { readonly top5: Prediction[] },
  refusal: TargetError,
): Answer {
  const { net } = run;
  const { image, files, top5 } = given;
  const [ask] = job.asks;
  const watch = new Stopwatch();
  const names = filesOf(ask);
  const drawn = drawNoMap(image, net.inputSize);
  watch.lap('draw');
  files.add(names.overlay, drawn.overlay);
  files.add(names.heatmap, drawn.heatmap);
  watch.lap('write');
  const result: ResultSummary = {
    ...aboutJob(job, run),
    ...aboutAsk(ask, job, net, top5),
    ...{ score: null, rawMin: null, rawMax: null, numbers: {}, files: names },
    warnings: [refusal.message],
    timesMs: rounded(watch.take()),
  };
  return { results: [result], top5, refusal };
}

/** What a summary says of all maps of a job. */
function aboutJob({ method, options, layer }: Job, { net, gpu, flags }: ImageRun) {
  const values = optionsOf(method, options, flags.profile);
  const { seed = values.noiseSeed } = values;
  const layers = method.layers === 'none' ? [] : (layer ?? [net.defaultLayer]);
  return {
    method: method.name,
    options: values,
    profile: flags.profile,
    layer: layers.join(',') || (isOfPixels(method) ? 'input' : null),
    signed: isSigned(method),
    seed: typeof seed === 'string' || typeof seed === 'number' ? seed : null,
    peakGpuBytes: gpu.peakBytes,
  };
}

/** What it says of one. */
function aboutAsk(ask: Ask, { method }: Job, net: Net, [best]: readonly Prediction[]) {
  const classId = ask.classId === undefined ? best.classId : ask.classId;
  return {
    target: method.usesTarget ? ask.target.description : 'none',
    classId,
    label: classId === null ? null : net.label(classId),
  };
}

/** A photo as it is explained, and where its maps go. */
interface GivenPhoto {
  readonly image: RgbaImage;
  readonly photo: Photo;
  readonly files: OutputFiles;
  readonly top5: Prediction[] | undefined;
}

/** Names of a map's pictures. */
const filesOf = ({ stem }: Ask) => ({ overlay: `${stem}.png`, heatmap: `${stem}.heatmap.png` });

/** Draws and writes map `n`. @returns the names of its files. */
async function writeMap(
  ask: Ask,
  explained: SaliencyMap,
  own: { n: number; data: Float32Array; raw: Float32Array | undefined; told: MapSummary },
  flags: PaintOptions,
  { image, photo, files }: GivenPhoto,
  watch: Stopwatch,
): Promise<Record<string, string>> {
  const size = explained.map.shape.slice(1);
  const drawn =
    own.told.warnings.length === 0
      ? await drawMap(explained, photo, flags, own.n)
      : drawNoMap(image, size);
  watch.lap('draw');

  const pictures = filesOf(ask);
  const names: Record<string, string> = { ...pictures, npy: `${ask.stem}.npy` };
  files.add(pictures.overlay, drawn.overlay);
  files.add(pictures.heatmap, drawn.heatmap);
  files.add(names.npy, npy(own.data, size));
  if (own.raw) {
    names.npyRaw = `${ask.stem}.raw.npy`;
    files.add(names.npyRaw, npy(own.raw, explained.raw.shape.slice(1)));
  }
  watch.lap('write');
  return names;
}
