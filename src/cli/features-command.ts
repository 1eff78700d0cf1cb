import { basename, dirname, join } from 'node:path';
import { Command, Option } from 'commander';
import { activationsAt } from '../cam/method.js';
import { Recorder } from '../gpu/recorder.js';
import type { ColormapName } from '../image/colormap.js';
import { encodePng } from '../image/encode-node.js';
import { crossOut } from '../image/mark.js';
import { npy } from '../image/npy.js';
import { Photo, paintHeatmap, preprocessPhotos } from '../image/photo.js';
import { normalizeRows } from '../kernels/normalize-rows.js';
import { rowRange } from '../kernels/row-range.js';
import type { Net } from '../net/net.js';
import {
  colormapOption,
  count,
  type ImageFlags,
  imagePathOption,
  imagePaths,
  layerOption,
  type NetworkFlags,
  networkOptions,
  outputDirOption,
} from './flags.js';
import { decodeFile, imageFiles } from './images.js';
import { type Io, json, UsageError } from './io.js';
import { chooseNetwork, withNet } from './network.js';
import { checkWritable, OutputFiles } from './output-files.js';
import { Progress } from './progress.js';

interface FeaturesFlags extends NetworkFlags, ImageFlags {
  readonly layerName?: readonly string[];
  readonly output?: string;
  readonly outputDir: string;
  readonly columns?: number;
  readonly colormap: ColormapName;
  readonly npyRaw?: boolean;
}

/** `webgpu-cam features`: the channels of a layer as a grid of small pictures. */
export function featuresCommand(io: Io): Command {
  const command = new Command('features')
    .description(
      "draw a layer's channels as a grid, each stretched from its least to its largest value",
    )
    .argument('[images...]', 'photos: PNG, JPEG or WebP')
    .addOption(imagePathOption());
  for (const option of networkOptions()) command.addOption(option);
  return command
    .addOption(layerOption())
    .addOption(
      new Option(
        '--output <file>',
        'the picture of one photo and one layer (default: <output-dir>/<image>/<layer>.features.png)',
      ),
    )
    .addOption(outputDirOption())
    .addOption(
      new Option(
        '--columns <number>',
        'channels in a row (default: as square as can be)',
      ).argParser(count),
    )
    .addOption(colormapOption('viridis'))
    .addOption(new Option('--npy-raw', 'also write the values, float32 [channels, height, width]'))
    .action(async (positional: string[], flags: FeaturesFlags) => {
      const files = await imageFiles(imagePaths(positional, flags));
      const chosen = await chooseNetwork(flags, io);
      const layers = flags.layerName ?? [chosen.description.defaultLayer];
      for (const layer of layers) chosen.description.graph.get(layer);
      if (flags.output !== undefined && files.length * layers.length > 1) {
        throw new UsageError(
          `--output takes one photo and one layer, got ${files.length} and ${layers.length}: use --output-dir`,
        );
      }
      checkWritable(flags.output === undefined ? flags.outputDir : dirname(flags.output));

      const drawn: object[] = [];
      await withNet(chosen, flags, io, async (net) => {
        const progress = new Progress(io.stderr, 'drawing', files.length * layers.length, 'layers');
        try {
          for (const file of files) {
            const photo = Photo.fromRgba(net.gpu!, await decodeFile(file));
            for (const layer of layers) {
              io.signal?.throwIfAborted();
              progress.update(drawn.length, `${file.path} ${layer}`);
              const picture = await drawFeatures(net, photo, layer, flags);
              const path =
                flags.output ?? join(flags.outputDir, file.name, `${layer}.features.png`);
              const written = writeFeatures(path, picture, flags, io);
              const { channels, shape } = picture;
              drawn.push({
                image: file.path,
                network: net.name,
                layer,
                shape,
                ...written,
                channels,
              });
              if (flags.json) continue;
              const blank = channels.filter(({ blank }) => blank).length;
              const note = blank > 0 ? `, ${blank} of them the same everywhere (crossed out)` : '';
              progress.around(() =>
                io.stdout.write(`${file.path}: ${shape[0]} channels of ${layer}${note}: ${path}\n`),
              );
            }
            photo.destroy();
          }
        } finally {
          progress.stop();
        }
      });
      if (flags.json) io.stdout.write(json(drawn));
    });
}

interface FeaturePicture {
  /** [channels, height, width] */
  readonly shape: readonly number[];
  readonly values: Float32Array;
  readonly channels: readonly {
    readonly min: number;
    readonly max: number;
    /** Whether it has one value everywhere, or values that are not finite. */
    readonly blank: boolean;
  }[];
  readonly png: Uint8Array;
}

async function drawFeatures(
  net: Net,
  photo: Photo,
  layer: string,
  flags: FeaturesFlags,
): Promise<FeaturePicture> {
  const gpu = net.gpu!;
  const recorder = Recorder.on(gpu);
  const input = preprocessPhotos(recorder, [photo], net.preprocessing);
  const A = activationsAt(net.trace(recorder, input, { taps: [layer] }), layer);
  const [, K, h, w] = A.shape;
  const rows = A.reshape([K, h * w]);
  const range = recorder.k(rowRange, { x: rows });
  const stretched = recorder.k(normalizeRows, { x: rows, range }).reshape([K * h, w]);
  const colours = paintHeatmap(recorder, stretched, flags.colormap);
  const tensors = await recorder.run([A, range, colours]);
  try {
    const [values, ranges, painted] = await gpu.read(tensors);
    const channels = Array.from({ length: K }, (_, k) => {
      const [min, max, notFinite] = ranges.slice(4 * k, 4 * k + 3);
      return { min, max, blank: min === max || notFinite > 0 };
    });
    const tiles = channels.map(({ blank }, k) => {
      const tile = new Uint8Array(painted.buffer, 4 * k * h * w, 4 * h * w);
      return { rgba: tile, blank };
    });
    const columns = Math.min(K, flags.columns ?? Math.ceil(Math.sqrt(K)));
    return {
      shape: [K, h, w],
      values: values as Float32Array,
      channels,
      png: grid(tiles, h, w, columns),
    };
  } finally {
    for (const tensor of tensors) tensor.destroy();
  }
}

const gap = 2;
const leastTile = 32;

/** Tiles of h x w pixels (RGBA) side by side on white, small ones enlarged by whole factors; blank ones are crossed out. */
function grid(
  tiles: readonly { rgba: Uint8Array; blank: boolean }[],
  h: number,
  w: number,
  columns: number,
): Uint8Array {
  const factor = Math.max(1, Math.ceil(leastTile / Math.max(h, w)));
  const [tileH, tileW] = [factor * h, factor * w];
  const width = columns * (tileW + gap) + gap;
  const height = Math.ceil(tiles.length / columns) * (tileH + gap) + gap;
  const picture = new Uint8Array(4 * width * height).fill(255);
  tiles.forEach(({ rgba, blank }, i) => {
    const left = gap + (i % columns) * (tileW + gap);
    const top = gap + Math.floor(i / columns) * (tileH + gap);
    const tile = enlarge(rgba, h, w, factor);
    if (blank) crossOut(tile.fill(128), tileW, tileH);
    for (let y = 0; y < tileH; y++) {
      picture.set(
        tile.subarray(4 * y * tileW, 4 * (y + 1) * tileW),
        4 * ((top + y) * width + left),
      );
    }
  });
  return encodePng(picture, width, height);
}

function enlarge(rgba: Uint8Array, h: number, w: number, factor: number): Uint8Array {
  const large = new Uint8Array(rgba.length * factor * factor);
  const from = new Uint32Array(rgba.slice().buffer);
  const to = new Uint32Array(large.buffer);
  const W = w * factor;
  for (let y = 0; y < h * factor; y++) {
    const row = Math.floor(y / factor) * w;
    for (let x = 0; x < W; x++) to[y * W + x] = from[row + Math.floor(x / factor)];
  }
  return large;
}

function writeFeatures(
  path: string,
  { png, values, shape }: FeaturePicture,
  flags: FeaturesFlags,
  io: Io,
): { file: string; npyRaw?: string } {
  const files = new OutputFiles(dirname(path), io.signal);
  try {
    const file = files.add(basename(path), png);
    if (!flags.npyRaw) {
      files.commit();
      return { file };
    }
    const npyRaw = files.add(`${basename(path).replace(/\.png$/i, '')}.npy`, npy(values, shape));
    files.commit();
    return { file, npyRaw };
  } finally {
    files.discard();
  }
}
