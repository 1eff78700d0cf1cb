/**
 * Whether a method's maps depend on what the network has learnt: J. Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018,
 * section 3 (model parameter randomisation).
 */
import type { ExplainOptions } from '../cam/explain.js';
import type { Method } from '../cam/method.js';
import { methodNamed } from '../cam/registry.js';
import { classTarget } from '../cam/target.js';
import { LayerError, nearest } from '../errors.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Photo } from '../image/photo.js';
import { type Graph, paramName } from '../net/graph.js';
import { Net } from '../net/net.js';
import { reinitialised } from './reinitialise.js';
import {
  type Answer,
  type Images,
  imageOf,
  isBlank,
  isList,
  joined,
  type Maps,
  mapsOf,
  type OneMap,
  oneOf,
  type Part,
  partOf,
} from './sanity-maps.js';
import { hogSimilarity, type MapSize, spearman, ssim } from './similarity.js';

/**
 * Which layers are random: `cascading`, from the output down to and with the layer; `independent`, the layer alone, all others as trained.
 */
export type SanityMode = 'cascading' | 'independent';

/** How {@link sanity} goes about it; what is not listed is as in `explain`. */
export interface SanityOptions
  extends Pick<
    ExplainOptions,
    'method' | 'layer' | 'target' | 'options' | 'memoryBytes' | 'signal'
  > {
  /** Default `cascading`. */
  readonly mode?: SanityMode;
  /**
   * Layers to go through, in any order: nodes with parameters, or blocks by the part of the name before a dot
   * (`encoder.layers.encoder_layer_3`). Default: all nodes with parameters, or as many of them as `steps` allows.
   */
  readonly layers?: readonly string[];
  /** Most layers to go through if they are not named, evenly spaced, the first and the last among them; default 12. */
  readonly steps?: number;
  /** Seeds the random parameters; default `sanity`. */
  readonly seed?: string;
  /** Photos explained at once; default 8. A target with a list of classes, one a photo, needs all of them at once. */
  readonly batch?: number;
  /** Called with the number of networks done, the trained one among them. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** How alike two maps are; see `spearman`, `ssim` and `hogSimilarity`. */
export interface Similarity {
  /** Rank correlation of the finished maps, -1..1; of magnitudes where they have a sign. */
  readonly spearman: number;
  /** The same of the raw maps, channels added up; missing where the trained network's has no value below 0. */
  readonly signedSpearman?: number;
  /** Of what {@link spearman} is of, 7 x 7 windows. */
  readonly ssim: number;
  /** The same. */
  readonly hog: number;
}

/** The maps of a network that is random in part. */
export interface SanityStep {
  /** The layer or block, as it was named. */
  readonly layer: string;
  /** The nodes that are random. */
  readonly randomised: readonly string[];
  /** [N,H,W] finished maps, 0..1; 1/2 is 0 if the method is signed. */
  readonly maps: Float32Array;
  /** Of each image with the trained network's map. */
  readonly images: readonly Similarity[];
  /** Means over the images whose trained map shows something. */
  readonly mean: Similarity;
  /** How many of its maps show nothing, or were refused; they have nothing in common with the trained network's. */
  readonly blank: number;
}

/** What {@link sanity} found. */
export interface SanityResult {
  readonly method: Method;
  readonly mode: SanityMode;
  readonly seed: string;
  /** Of the maps. */
  readonly size: MapSize;
  /** The class explained for each image; null where it is not one class. */
  readonly classIds: readonly (number | null)[];
  /** [N,H,W] finished maps of the trained network, as those of the steps. */
  readonly maps: Float32Array;
  /** Images whose trained map shows nothing, or was refused: they count for nothing. */
  readonly blank: readonly boolean[];
  /**
   * Similarity by chance: of the trained network's maps with their own mirror images (left to right, upside down, both), mean. These are as
   * dark, as grainy and as centred, but tell of other places.
   */
  readonly chance: Similarity;
  /** From the output down. */
  readonly steps: readonly SanityStep[];
}

/**
 * Explains images by the trained network and by copies of it with random layers, each time for the class of the trained one, and measures how
 * alike the maps are. A method that shows what the network has learnt gives other maps when that is gone.
 *
 * A method may refuse an image that a network takes for another class, as MSG-CAM and CAMERAS do with `keep=class`: that is its answer for this
 * network, and counts as a map that shows nothing.
 *
 * Random parameters are those of `reinitialised`. Each copy is uploaded, used and freed in turn, so that the GPU holds one beside the trained network.
 *
 * @param input photos, or a tensor [N,3,H,W] normalised as the network wants it
 * @param options `target`: default the logit of the class that the trained network predicts
 * @throws LayerError for a layer without parameters, TargetError if all images are refused by the trained network, and what `explain` throws
 */
export async function sanity(
  net: Net,
  input: Photo | readonly Photo[] | Tensor,
  options: SanityOptions = {},
): Promise<SanityResult> {
  const { gpu, params } = net;
  if (!gpu || !params) {
    throw new LayerError(`sanity: ${net.name} has no weights: load them with Net.load`);
  }
  const { mode = 'cascading', seed = 'sanity', batch = 8, signal, onProgress } = options;
  const { method: asked = 'grad-cam' } = options;
  const method = typeof asked === 'string' ? methodNamed(asked) : asked;
  const choices = sanityLayers(net.graph, options);
  const total = choices.length + 1;

  const parts: Part[] = [];
  for (const images of inBatches(input, batch)) {
    parts.push(await partOf(net, images, options.target ?? classTarget()));
  }
  const answersOf = async (network: Net): Promise<Answer> => {
    const maps: (Maps | undefined)[] = [];
    let refusal: Answer['refusal'];
    for (const part of parts) {
      signal?.throwIfAborted();
      const answer = await mapsOf(network, part, { ...explainOptions(options), method });
      maps.push(...answer.maps);
      refusal ??= answer.refusal;
    }
    return { maps, ...(refusal && { refusal }) };
  };

  const answer = await answersOf(net);
  const some = answer.maps.find((maps) => maps !== undefined);
  if (!some) throw answer.refusal;
  const trained = joined(answer.maps, some, method);
  onProgress?.(1, total);
  const { size, count } = trained;
  const blank = Array.from({ length: count }, (_, n) =>
    isBlank(imageOf(trained.amounts, n, count)),
  );
  const shown = blank.flatMap((isBlank, n) => (isBlank ? [] : [n]));
  const steps: SanityStep[] = [];
  for (const { layer, randomised } of choices) {
    const sources = new Map(params.sources);
    for (const node of randomised.map((name) => net.graph.get(name))) {
      for (const [leaf, shape] of Object.entries(node.params)) {
        const name = paramName(node, leaf);
        sources.set(name, reinitialised(name, shape, seed));
      }
    }
    const { classes, labels, preprocessing, storage } = net;
    const options = { classes, labels, preprocessing, storage };
    const random = Net.from(gpu, net.architecture, sources, options);
    try {
      const maps = joined((await answersOf(random)).maps, trained, method);
      const images = Array.from({ length: count }, (_, n) =>
        similarity(oneOf(trained, n), oneOf(maps, n)),
      );
      steps.push({
        layer,
        randomised,
        maps: maps.finished,
        images,
        mean: meanSimilarity(shown.map((n) => images[n])),
        blank: images.filter((_, n) => isBlank(imageOf(maps.amounts, n, count))).length,
      });
    } finally {
      random.destroy();
    }
    onProgress?.(steps.length + 1, total);
  }
  return {
    method,
    mode,
    seed,
    size,
    classIds: parts.flatMap((part) => part.classIds),
    maps: trained.finished,
    blank,
    chance: meanSimilarity(shown.flatMap((n) => chanceOf(oneOf(trained, n)))),
    steps,
  };
}

/** The layers to go through from the output down, and the nodes that are random at each. @throws LayerError */
export function sanityLayers(
  graph: Graph,
  { mode = 'cascading', layers, steps = 12 }: Pick<SanityOptions, 'mode' | 'layers' | 'steps'>,
): { layer: string; randomised: readonly string[] }[] {
  if (layers?.length === 0) throw new LayerError('sanity: no layer given, should be at least one');
  const all = graph.nodes.filter(({ params }) => Object.keys(params).length > 0).reverse();
  const names = all.map(({ name }) => name);
  const chosen = (layers ?? evenlySpaced(names, steps)).map((layer) => {
    const members = names.filter((name) => name === layer || name.startsWith(`${layer}.`));
    if (members.length === 0) {
      throw new LayerError(
        `sanity: no layer with parameters is named ${layer}: nearest are ${nearest(layer, names).join(', ')}`,
      );
    }
    return { layer, members, lowest: names.indexOf(members.at(-1)!) };
  });
  return chosen
    .sort((a, b) => a.lowest - b.lowest)
    .map(({ layer, members, lowest }) => ({
      layer,
      randomised: mode === 'cascading' ? names.slice(0, lowest + 1) : members,
    }));
}

/** At most `count` of the names, the first and the last among them. @throws RangeError */
function evenlySpaced(names: readonly string[], count: number): string[] {
  if (!Number.isInteger(count) || count < 2) {
    throw new RangeError(`sanity: steps is ${count}, should be a whole number of at least 2`);
  }
  if (names.length <= count) return [...names];
  return Array.from(
    { length: count },
    (_, i) => names[Math.round((i * (names.length - 1)) / (count - 1))],
  );
}

/** The input in parts of so many photos; a tensor stays whole. @throws RangeError */
function inBatches(input: Images, batch: number): Images[] {
  if (!Number.isInteger(batch) || batch < 1) {
    throw new RangeError(`sanity: batch is ${batch}, should be a whole number of at least 1`);
  }
  if (!isList(input)) return [input];
  if (input.length === 0) throw new RangeError('sanity: no photo given, should be at least one');
  const count = Math.ceil(input.length / batch);
  return Array.from({ length: count }, (_, i) => input.slice(i * batch, (i + 1) * batch));
}

const explainOptions = ({
  layer,
  options,
  memoryBytes,
  signal,
}: SanityOptions): ExplainOptions => ({
  ...(layer !== undefined && { layer }),
  ...(options !== undefined && { options }),
  ...(memoryBytes !== undefined && { memoryBytes }),
  ...(signal !== undefined && { signal }),
});

/** How alike two images' maps are. */
function similarity(a: OneMap, b: OneMap): Similarity {
  return {
    spearman: spearman(a.amounts, b.amounts),
    ...(a.signed.some((v) => v < 0) && { signedSpearman: spearman(a.signed, b.signed) }),
    ssim: ssim(a.amounts, b.amounts, a.size),
    hog: hogSimilarity(a.amounts, b.amounts, a.size),
  };
}

/** A map held against its mirror images. */
function chanceOf(map: OneMap): Similarity[] {
  const ways: [upsideDown: boolean, leftToRight: boolean][] = [
    [false, true],
    [true, false],
    [true, true],
  ];
  return ways.map(([upsideDown, leftToRight]) => {
    const mirrored = (values: Float32Array, [H, W]: MapSize) =>
      values.map((_, i) => {
        const [y, x] = [Math.floor(i / W), i % W];
        return values[(upsideDown ? H - 1 - y : y) * W + (leftToRight ? W - 1 - x : x)];
      });
    return similarity(map, {
      ...map,
      amounts: mirrored(map.amounts, map.size),
      signed: mirrored(map.signed, map.signedSize),
    });
  });
}

/** Means, 0 of nothing; the signed one over the images that have it. */
export function meanSimilarity(list: readonly Similarity[]): Similarity {
  const mean = (values: readonly number[]) =>
    values.length > 0 ? values.reduce((sum, v) => sum + v, 0) / values.length : 0;
  const signed = list.flatMap(({ signedSpearman }) => signedSpearman ?? []);
  return {
    spearman: mean(list.map((s) => s.spearman)),
    ...(signed.length > 0 && { signedSpearman: mean(signed) }),
    ssim: mean(list.map((s) => s.ssim)),
    hog: mean(list.map((s) => s.hog)),
  };
}
