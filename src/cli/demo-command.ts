import { join } from 'node:path';
import { Command } from 'commander';
import { explain } from '../cam/explain.js';
import { isSigned, type Method } from '../cam/method.js';
import { methodNamed, methods } from '../cam/registry.js';
import { classTarget } from '../cam/target.js';
import { LayerError } from '../errors.js';
import { encodePng } from '../image/encode-node.js';
import { crossOut } from '../image/mark.js';
import { Photo, type RgbaImage } from '../image/photo.js';
import { Net } from '../net/net.js';
import { severalPets, singlePet, type ToyPicture, toyPetsClasses } from '../toy/toypets.js';
import { contactSheet } from './contact-sheet.js';
import {
  type DemoChoice,
  slowChoices,
  slowDefault,
  slowPicture,
  transformerChoices,
  transformerName,
} from './demo-choices.js';
import { demoPage } from './demo-page.js';
import {
  areAlike,
  type DemoCell,
  type DemoPicture,
  type DemoResult,
  type DemoRow,
  mapsOf,
} from './demo-result.js';
import { type NetworkFlags, networkOptions, outputDirOption } from './flags.js';
import { type Io, json } from './io.js';
import { chooseNetwork, withNet } from './network.js';
import { checkWritable, OutputFiles } from './output-files.js';
import { unitOf } from './pace.js';
import { packageVersion } from './package.js';
import { Progress } from './progress.js';
import { topFive } from './top-five.js';

type DemoFlags = Pick<NetworkFlags, 'adapter' | 'tune' | 'json'> & { readonly outputDir: string };

/** Pixels of a side: more than the network sees (112), so that overlays look sharp, and small enough for a sheet of all maps. */
const size = 160;

/** What a batch of masked copies may take on a software adapter: 16 of them, so that one set of pipelines, slow to compile there, serves all methods. */
const batchBytes = 10 * 2 ** 20;

const [cat, dog] = [toyPetsClasses.indexOf('cat'), toyPetsClasses.indexOf('dog')];

/** Held-out pictures, chosen for large animals in plain view. */
const scenes = [
  { name: 'cat', title: 'A cat', draw: () => singlePet(480, { size }) },
  { name: 'dog', title: 'A dog', draw: () => singlePet(929, { size }) },
  {
    name: 'cat-and-dog',
    title: 'A cat and a dog',
    draw: () => severalPets(18, { size, classIds: [cat, dog] }),
  },
];

/** `webgpu-cam demo`. */
export function demoCommand(io: Io): Command {
  const command = new Command('demo')
    .description('explain three toy pictures with every method, and show all maps on one page')
    .addOption(outputDirOption().default('demo-results'));
  for (const option of networkOptions()) {
    if (['adapter', 'tune', 'json'].includes(option.attributeName())) command.addOption(option);
  }
  return command.action(async (flags: DemoFlags) => {
    await runDemo(flags, io);
  });
}

async function runDemo(flags: DemoFlags, io: Io): Promise<void> {
  const start = performance.now();
  checkWritable(flags.outputDir);
  const chosen = await chooseNetwork({ adapter: flags.adapter }, io);
  const transformer = await chooseNetwork({ adapter: flags.adapter, network: transformerName }, io);
  await withNet(chosen, flags, io, async (net, gpu) => {
    const vit = Net.load(gpu, transformer.architecture, transformer.loaded.weights);
    const pictures = scenes.map(({ draw }) => rgbaOf(draw()));
    const photos = pictures.map((picture) => Photo.fromRgba(gpu, picture));
    const jobs = jobsFor([net, vit]);
    const progress = new Progress(io.stderr, 'explaining', jobs.length, 'methods');
    const rows: DemoRow[] = [];
    let logits: Float32Array | undefined;
    try {
      for (const [j, job] of jobs.entries()) {
        progress.update(j, job.title);
        const onProgress = (done: number, total: number) =>
          progress.update(j, `${job.title}: ${done} of ${total} ${unitOf(job.method)}`);
        const made = await explainAll({
          ...{ pictures, photos, job, onProgress },
          signal: io.signal,
        });
        if (made.row.picture === undefined && job.net === net) logits ??= made.logits;
        const twin = rows.find((row) => areAlike(row, made.row));
        rows.push({ ...made.row, sameAs: twin?.sameAs ?? twin?.title });
      }
    } finally {
      progress.stop();
      for (const photo of photos) photo.destroy();
    }
    const result: DemoResult = {
      network: net.name,
      adapter: gpu.adapterName,
      isSoftware: gpu.isSoftware,
      version: packageVersion(),
      totalMs: performance.now() - start,
      classes: [cat, dog].map((classId) => ({ classId, label: net.label(classId) })),
      pictures: pictures.map((image, p) => describePicture(net, p, image, logits!)),
      rows,
    };
    write(result, flags.outputDir, io.signal);
    io.stdout.write(flags.json ? json(plain(result, flags.outputDir)) : told(result, flags));
  });
}

/** A method, with what it is asked. */
interface Job extends DemoChoice {
  readonly net: Net;
  readonly method: Method;
  readonly title: string;
  /** Of its files. */
  readonly stem: string;
  readonly layers?: readonly string[];
  /** Indices of the pictures it explains. */
  readonly pictures: readonly number[];
}

/**
 * Every method at the network's own layer, on all pictures, those that fuse layers once more over one layer of each resolution; then methods that
 * take long, on one picture; methods for transformers only, and some others once more, on a transformer.
 *
 * @param nets the first that suits a method is explained
 */
function jobsFor(nets: readonly [Net, Net]): Job[] {
  const [net, vit] = nets;
  const netOf = (method: Method) => nets.find(({ graph }) => method.suits?.(graph) ?? true) ?? net;
  const named = (of: Net, text: string) => (of === net ? text : `${text} (${of.name})`);
  const all = scenes.map((_, p) => p);
  const onlyOne = all.filter((p) => scenes[p].name === slowPicture);
  const isSlow = (method: Method) =>
    method.passes === 'many' || method.name in slowChoices || netOf(method) !== net;
  const quick = [...methods.values()].filter((method) => !isSlow(method));
  const slow = [...methods.values()].filter(isSlow).map(({ name }) => name);
  const isThere = ([name]: readonly [string, DemoChoice]) =>
    methods.has(name.replace(/^enhanced-/, ''));
  const chosen = Object.entries(slowChoices).filter(isThere);
  return [
    ...quick.flatMap((method): Job[] => {
      const one = { net, method, title: method.title, stem: method.name, pictures: all };
      if (method.layers !== 'many') return [one];
      const layers = stagesOf(net);
      const more = `${method.title}, ${layers.length} layers`;
      return [one, { ...one, title: more, stem: `${method.name}-fused`, layers }];
    }),
    ...[...new Set([...chosen.map(([name]) => name), ...slow])].map((name): Job => {
      const method = methodNamed(name);
      const choice = slowChoices[name] ?? slowDefault;
      const layers = choice.layer === undefined ? undefined : [choice.layer];
      const own = netOf(method);
      const title = named(own, method.title);
      return { net: own, method, title, stem: name, pictures: onlyOne, ...choice, layers };
    }),
    ...Object.entries(transformerChoices)
      .filter(isThere)
      .map(([name, choice]): Job => {
        const method = methodNamed(name);
        const title = named(vit, method.title);
        const stem = `${name}.${vit.name}`;
        return { net: vit, method, title, stem, pictures: onlyOne, ...choice, layers: undefined };
      }),
  ];
}

/** The last layer of each resolution: what is pooled, and the network's own layer. */
function stagesOf({ graph, defaultLayer }: Net): string[] {
  const pooled = graph.nodes
    .filter(({ kind }) => kind === 'maxPool2d')
    .map(({ inputs }) => inputs[0]);
  return [...new Set([...pooled, defaultLayer])];
}

interface Batch {
  readonly pictures: readonly RgbaImage[];
  readonly photos: readonly Photo[];
  readonly job: Job;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (done: number, total: number) => void;
}

/** One method over its pictures, a batch for each class. */
async function explainAll(batch: Batch): Promise<{ row: DemoRow; logits?: Float32Array }> {
  const { photos, job, signal } = batch;
  const { net } = job;
  const { name, paper, usesTarget } = job.method;
  const given = Object.entries(job.options ?? {}).map(([option, value]) => `${option}=${value}`);
  const picture = job.pictures.length < photos.length ? job.pictures[0] : undefined;
  const signed = isSigned(job.method);
  const row = {
    network: net.name,
    method: name,
    title: job.title,
    paper,
    usesTarget,
    signed,
    given,
    picture,
  };
  try {
    const made: (ClassMaps | undefined)[] = [];
    for (const classId of usesTarget ? [cat, dog] : [cat]) {
      signal?.throwIfAborted();
      const isAsked = job.classes?.includes(net.label(classId)) ?? true;
      made.push(isAsked ? await explainClass(batch, classId) : undefined);
    }
    const maps = made.filter((one) => one !== undefined);
    const [{ layers, options, logits }] = maps;
    const cells = photos.map((_, p) => {
      const n = job.pictures.indexOf(p);
      return n < 0 ? [] : made.map((one) => one?.cells[n]);
    });
    const timeMs = maps.reduce((sum, one) => sum + one.timeMs, 0) / maps.length;
    return { row: { ...row, layers, options, timeMs, cells }, logits };
  } catch (error) {
    // Not every method fits every network: the page says so, and the others go on.
    if (!(error instanceof LayerError)) throw error;
    return {
      row: { ...row, layers: [], options: {}, timeMs: 0, cells: [], refusal: error.message },
    };
  }
}

/** The maps of one class, a cell for each of the job's pictures. */
interface ClassMaps extends Pick<DemoRow, 'layers' | 'options' | 'timeMs'> {
  readonly cells: DemoCell[];
  /** [pictures, classes] */
  readonly logits: Float32Array;
}

async function explainClass(batch: Batch, classId: number): Promise<ClassMaps> {
  const { job, signal, onProgress } = batch;
  const { net, method, options, layers: layer, stem } = job;
  const photos = job.pictures.map((p) => batch.photos[p]);
  const pictures = job.pictures.map((p) => batch.pictures[p]);
  const start = performance.now();
  const explained = await explain(net, photos, {
    method,
    options,
    layer,
    target: classTarget(classId),
    memoryBytes: net.gpu?.isSoftware ? batchBytes : undefined,
    signal,
    onProgress,
  });
  try {
    const [numbers, logits] = await Promise.all([explained.summaries(), explained.logits.read()]);
    const timeMs = performance.now() - start;
    const file = method.usesTarget ? `${stem}.${net.label(classId)}.png` : `${stem}.png`;
    const cells = await Promise.all(
      numbers.map(async ({ score, rawMin, rawMax, warnings }, n): Promise<DemoCell> => {
        const { width, height, rgba } = pictures[n];
        const painted =
          warnings.length === 0
            ? await explained.overlay(photos[n], {}, n)
            : crossOut(Uint8Array.from(rgba), width, height);
        const png = encodePng(painted, width, height);
        const overlay = { width, height, rgba: painted };
        return { overlay, png, file, score, rawMin, rawMax, warnings };
      }),
    );
    const { layers, options } = explained.info;
    return { layers, options, timeMs, cells, logits };
  } finally {
    explained.destroy();
  }
}

function rgbaOf({ rgb, size }: ToyPicture): RgbaImage {
  const rgba = new Uint8Array(4 * size * size).fill(255);
  for (let i = 0; i < size * size; i++) rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
  return { width: size, height: size, rgba };
}

/** @param all logits [pictures, classes] */
function describePicture(net: Net, n: number, image: RgbaImage, all: Float32Array): DemoPicture {
  const logits = all.subarray(n * net.classes, (n + 1) * net.classes);
  const { name, title } = scenes[n];
  return {
    name,
    title,
    image,
    png: encodePng(image.rgba, image.width, image.height),
    top5: topFive(net, logits),
    logits: [logits[cat], logits[dog]],
  };
}

/** Names of the files that show everything. */
const sheetFile = 'contact-sheet.png';
const pageFile = 'index.html';
const photoFile = 'photo.png';

/** Writes a folder a picture, then the sheet and the page; those last, so that they stand only where all they tell of stands. */
function write(result: DemoResult, folder: string, signal?: AbortSignal): void {
  const { width, height, rgb } = contactSheet(result);
  const written: OutputFiles[] = [];
  const into = (place: string) => {
    const files = new OutputFiles(place, signal);
    written.push(files);
    return files;
  };
  try {
    for (const [p, { name, png }] of result.pictures.entries()) {
      const files = into(join(folder, name));
      files.add(photoFile, png);
      for (const cell of result.rows.flatMap((row) => row.cells[p] ?? [])) {
        if (cell) files.add(cell.file, cell.png);
      }
    }
    const files = into(folder);
    files.add(sheetFile, encodePng(rgb, width, height));
    files.add(pageFile, demoPage(result));
    for (const files of written) files.commit();
  } finally {
    // The last first: the first one made the folder that the others are in.
    for (const files of written.reverse()) files.discard();
  }
}

/** What `--json` prints. */
function plain(result: DemoResult, folder: string) {
  const { network, adapter, version, totalMs, classes, pictures, rows } = result;
  return {
    outputDir: folder,
    contactSheet: join(folder, sheetFile),
    page: join(folder, pageFile),
    network,
    adapter,
    version,
    timesMs: { total: Math.round(totalMs) },
    pictures: pictures.map(({ name, title, top5 }) => ({
      name,
      title,
      image: join(folder, name, photoFile),
      top5,
    })),
    results: rows.flatMap(({ network, method, layers, options, usesTarget, timeMs, cells }) =>
      cells.flatMap((ofPicture, p) =>
        ofPicture.flatMap((cell, c) =>
          cell
            ? {
                picture: pictures[p].name,
                network,
                method,
                options,
                layer: layers.join(',') || null,
                classId: usesTarget ? classes[c].classId : null,
                label: usesTarget ? classes[c].label : null,
                score: cell.score,
                rawMin: cell.rawMin,
                rawMax: cell.rawMax,
                timesMs: { explain: Math.round(timeMs) },
                warnings: cell.warnings,
                file: join(folder, pictures[p].name, cell.file),
              }
            : [],
        ),
      ),
    ),
    refused: rows.flatMap(({ network, method, refusal }) =>
      refusal ? [{ network, method, why: refusal }] : [],
    ),
  };
}

function told({ rows, totalMs }: DemoResult, { outputDir }: DemoFlags): string {
  const maps = rows.flatMap(mapsOf).length;
  const seconds = (totalMs / 1000).toFixed(1);
  return `${maps} maps in ${seconds} s: open ${join(outputDir, pageFile)} or ${join(outputDir, sheetFile)}\n`;
}
