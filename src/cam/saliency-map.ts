import { ShapeError } from '../errors.js';
import { Recorder, type RunPlan } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { PassTimes } from '../gpu/timing.js';
import type { Value } from '../gpu/value.js';
import type { ColormapName } from '../image/colormap.js';
import {
  type PaintOptions,
  type Photo,
  paintHeatmap,
  paintOverlay,
  readPainting,
} from '../image/photo.js';
import type { Preprocessing } from '../image/preprocessing.js';
import { channelSlice } from '../kernels/channel-slice.js';
import { isSigned, type Method, type OptionValues } from './method.js';
import { type Profile, profiles } from './profiles.js';

/** How a map came about. */
export interface MapInfo {
  readonly method: Method;
  readonly options: OptionValues;
  readonly profile: Profile;
  readonly layers: readonly string[];
  readonly target: string;
  /** Maps that it is the sum of: one for each part of the target. The raw map is the first one's. */
  readonly maps: number;
  readonly network: string;
  readonly preprocessing: Preprocessing;
}

interface MapTensors {
  /** [N,H,W], 0..1; 1/2 is 0 if the method is signed. */
  readonly map: Tensor;
  /** [N,h,w] before ReLU, enlarging and stretching ([N,3,H,W] for pixel gradients); of the first class if there are several. */
  readonly raw: Tensor;
  /** [N,classes] */
  readonly logits: Tensor;
  /** [N]: the scalar that was explained. */
  readonly score: Tensor;
  /** [N,4]: least, largest, number of non-finite and of non-zero elements of `raw`, and of the map before stretching. */
  readonly rawRange: Tensor;
  readonly mapRange: Tensor;
  /** [N] each, by name: what the method reports beside its map. */
  readonly numbers: Readonly<Record<string, Tensor>>;
}

/** One image's numbers about its map. */
export interface MapSummary {
  readonly score: number;
  readonly rawMin: number;
  readonly rawMax: number;
  /** What the method tells beside its map, by name: integrated gradients' `convergenceDelta`, say. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Why the map should not be trusted, one sentence each; empty if it is fine. */
  readonly warnings: readonly string[];
}

/** The result of an explanation, on the GPU until read. It owns its tensors: destroy it when done. */
export class SaliencyMap {
  readonly map: Tensor;
  readonly raw: Tensor;
  readonly logits: Tensor;
  readonly score: Tensor;
  readonly #tensors: MapTensors;

  constructor(
    tensors: MapTensors,
    readonly info: MapInfo,
    /** What computing it cost. */
    readonly plan: RunPlan,
    /** GPU milliseconds of each dispatch, if asked for and the device can tell. */
    readonly times: PassTimes | undefined,
  ) {
    this.#tensors = tensors;
    ({ map: this.map, raw: this.raw, logits: this.logits, score: this.score } = tensors);
  }

  /** Whether the map has a sign: 1/2 is 0, above speaks for the target, below against it. */
  get signed(): boolean {
    return isSigned(this.info.method);
  }

  /** The finished maps, [N,H,W] in 0..1, row-major; see {@link signed}. A map that is all zero or was not finite says so in {@link summaries}. */
  async read(): Promise<Float32Array> {
    return this.map.read();
  }

  /** Score, range and warnings of each image's map. */
  async summaries(): Promise<MapSummary[]> {
    const { score, rawRange, mapRange, logits, numbers } = this.#tensors;
    const names = Object.keys(numbers);
    const [scores, raws, maps, y, ...values] = await score.gpu.read([
      score,
      rawRange,
      mapRange,
      logits,
      ...names.map((name) => numbers[name]),
    ]);
    const classes = y.length / scores.length;
    return Array.from(scores, (value, n) => ({
      score: value,
      rawMin: raws[4 * n],
      rawMax: raws[4 * n + 1],
      numbers: Object.fromEntries(names.map((name, i) => [name, values[i][n]])),
      warnings: warningsOf(
        this.info,
        [...raws.slice(4 * n, 4 * n + 4)],
        [...maps.slice(4 * n, 4 * n + 4)],
        y.slice(n * classes, (n + 1) * classes),
      ),
    }));
  }

  /** The map of image `n`, as a view [H,W] of {@link map}'s memory copied out on the GPU. */
  #one(recorder: Recorder, n: number): Value {
    const [N, H, W] = this.map.shape;
    if (n < 0 || n >= N) throw new ShapeError(`map ${n} is out of range: the batch has ${N}`);
    if (N === 1) return recorder.value(this.map).reshape([H, W]);
    const all = recorder.value(this.map).reshape([1, N, H, W]);
    return recorder.k(channelSlice, { x: all }, { k0: n, channels: 1 }).reshape([H, W]);
  }

  /** Image `n`'s map in colours over its photo: RGBA bytes of the photo's size. */
  async overlay(photo: Photo, options: PaintOptions = {}, n = 0): Promise<Uint8Array> {
    const recorder = Recorder.on(this.map.gpu);
    const map = this.#one(recorder, n);
    return readPainting(
      recorder,
      paintOverlay(
        recorder,
        photo,
        map,
        this.info.preprocessing,
        paintFor(this.info.method, options),
      ),
    );
  }

  /** Image `n`'s map in colours: RGBA bytes of the map's size. */
  async heatmap(options: PaintOptions = {}, n = 0): Promise<Uint8Array> {
    const recorder = Recorder.on(this.map.gpu);
    const { colormap } = paintFor(this.info.method, options);
    return readPainting(recorder, paintHeatmap(recorder, this.#one(recorder, n), colormap));
  }

  destroy(): void {
    const { numbers, ...tensors } = this.#tensors;
    for (const tensor of Object.values({ ...numbers, ...tensors })) tensor.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}

/** The colours that a method's maps are drawn in if no others are asked for: `bwr` for those with a sign, red for and blue against; `jet` for the rest. */
export const colormapFor = (method: Method): ColormapName => (isSigned(method) ? 'bwr' : 'jet');

/** Options for painting a method's maps: {@link colormapFor} unless other colours are given; with those, maps with a sign let the photo through where they say nothing. */
export function paintFor(
  method: Method,
  options: PaintOptions = {},
): PaintOptions & { readonly colormap: ColormapName } {
  const own = colormapFor(method);
  const colormap = options.colormap ?? own;
  return { signed: isSigned(method) && colormap === own, ...options, colormap };
}

/** The likely reasons for a map that shows nothing, or not what it should. */
function warningsOf(
  { layers, maps, target, method, profile }: MapInfo,
  [rawMin, rawMax, rawNonFinite, rawNonZero]: readonly number[],
  [mapMin, mapMax, mapNonFinite, mapNonZero]: readonly number[],
  logits: ArrayLike<number>,
): string[] {
  const where = layers.join(', ') || 'the input';
  if (Array.from(logits).some((y) => !Number.isFinite(y))) {
    return [
      'the logits are not finite: the weights or the input are damaged, or the input is not normalised as the network wants',
    ];
  }
  if (rawNonFinite > 0 || mapNonFinite > 0) {
    // Of several maps only the first one's raw map is counted; the others tell in the sum.
    const [what, count] = rawNonFinite > 0 ? ['raw map', rawNonFinite] : ['map', mapNonFinite];
    return [
      `the ${what} has ${count} values that are not finite: activations or gradients at ${where} overflow`,
    ];
  }
  if (maps > 1 && mapNonZero === 0) {
    return [
      `the sum of ${maps} maps is all zero: nothing at ${where} speaks for any part of the target for this input`,
    ];
  }
  if (maps === 1 && rawNonZero === 0) {
    return [
      `the raw map is all zero: the target does not depend on ${where} for this input (dead activations, or a saturated ${target})`,
    ];
  }
  if (mapMin === mapMax) {
    const dropsNegative = method.finish === 'relu' && !profiles[profile].keepsNegative;
    return maps === 1 && dropsNegative && rawMax <= 0
      ? [
          `the map is blank: no place at ${where} speaks for the target (the raw map lies in ${rawMin} .. ${rawMax}, and negative values are dropped)`,
        ]
      : [`the map is blank: it has the same value everywhere (${mapMin})`];
  }
  return [];
}
