/** The maps that the sanity checks compare: of images with their classes settled, by any network. */
import { type ExplainOptions, explain } from '../cam/explain.js';
import { inputValue } from '../cam/input.js';
import { isSigned, type Method } from '../cam/method.js';
import type { Target } from '../cam/target.js';
import { TargetError } from '../errors.js';
import { Recorder } from '../gpu/recorder.js';
import { Tensor } from '../gpu/tensor.js';
import type { Photo } from '../image/photo.js';
import { channelSlice } from '../kernels/channel-slice.js';
import type { Net } from '../net/net.js';
import type { MapSize } from './similarity.js';

/** What is explained: photos, or a tensor [N,3,H,W]. */
export type Images = Photo | readonly Photo[] | Tensor;

/** Images that are explained at once, and what of. */
export interface Part {
  readonly images: Images;
  /** The class of each image; null where it is not one class. */
  readonly classIds: readonly (number | null)[];
  /** Of all images, or of one of them. */
  target(image?: number): Target;
}

/**
 * Images with the classes of a target settled: "the predicted class" becomes that which this network predicts, whichever network is asked later.
 */
export async function partOf(net: Net, images: Images, target: Target): Promise<Part> {
  const gpu = net.gpu!;
  const recorder = Recorder.on(gpu);
  const x = inputValue(recorder, net, images);
  const [N] = x.shape;
  const choosing = target.node ? [] : target.parts.filter((part) => part.choose);
  if (choosing.length === 0) {
    return { images, classIds: new Array(N).fill(null), target: () => target };
  }
  const { output } = net.trace(recorder, x);
  const tensors = await recorder.run(choosing.map((part) => part.choose!(recorder, output)));
  let rows: Float32Array[];
  try {
    rows = (await gpu.read(tensors)) as Float32Array[];
  } finally {
    for (const tensor of tensors) tensor.destroy();
  }
  const settled = (image?: number): Target => {
    const parts = target.parts.map((part) => {
      const at = choosing.indexOf(part);
      if (at < 0) return part;
      const own = image === undefined ? rows[at] : imageOf(rows[at], image, N).slice();
      const chosen = (r: Recorder) =>
        r.constant(own, [own.length / net.classes, net.classes] as const);
      const seed: typeof part.seed = (r, y, given) => part.seed(r, y, given ?? chosen(r));
      return { ...part, seed, choose: chosen };
    });
    return { ...target, parts };
  };
  const classIds = Array.from({ length: N }, (_, n) =>
    target.parts.length === 1 ? imageOf(rows[0], n, N).indexOf(1) : null,
  );
  return { images, classIds, target: settled };
}

/** Finished and raw maps of a batch. */
export interface Maps {
  readonly count: number;
  readonly size: MapSize;
  /** [N,H,W] */
  readonly finished: Float32Array;
  /** [N,H,W] 0..1: how much there is at a place, for or against. */
  readonly amounts: Float32Array;
  /** [N,h,w], channels added up. */
  readonly signed: Float32Array;
  /** Its height and width. */
  readonly signedSize: MapSize;
}

/** The maps of some images: of all at once, or one by one, where the method refuses some of them. */
export interface Answer {
  /** In the order of the images; missing for one that is refused. */
  readonly maps: readonly (Maps | undefined)[];
  readonly refusal?: TargetError;
}

/** Explains images. One that the method refuses (MSG-CAM does where the network takes it for another class) does not take the others' maps along. */
export async function mapsOf(
  net: Net,
  { images, classIds, target }: Part,
  options: Omit<ExplainOptions, 'target'>,
): Promise<Answer> {
  try {
    return { maps: [await explainedMaps(net, images, { ...options, target: target() })] };
  } catch (error) {
    if (!(error instanceof TargetError)) throw error;
    if (classIds.length === 1) return { maps: [undefined], refusal: error };
    const maps: (Maps | undefined)[] = [];
    for (const [n, classId] of classIds.entries()) {
      const answer = await withImage(images, n, (image) => {
        const alone = { images: image, classIds: [classId], target: () => target(n) };
        return mapsOf(net, alone, options);
      });
      maps.push(...answer.maps);
    }
    return { maps, refusal: error };
  }
}

/** Gives `work` one of the images. */
async function withImage<T>(
  images: Images,
  n: number,
  work: (image: Images) => Promise<T>,
): Promise<T> {
  if (!(images instanceof Tensor)) return work(isList(images) ? [images[n]] : images);
  const [N, C, H, W] = images.shape;
  const recorder = Recorder.on(images.gpu);
  const x = recorder.value(images).reshape([1, N, C * H, W]);
  const one = recorder.k(channelSlice, { x }, { k0: n, channels: 1 }).reshape([1, C, H, W]);
  const [image] = await recorder.run([one]);
  try {
    return await work(image);
  } finally {
    image.destroy();
  }
}

export const isList = (images: Images): images is readonly Photo[] => Array.isArray(images);

async function explainedMaps(net: Net, images: Images, options: ExplainOptions): Promise<Maps> {
  const explained = await explain(net, images, options);
  try {
    const { map, raw } = explained;
    const [count, H, W] = map.shape;
    const [finished, values] = await map.gpu.read([map, raw]);
    const channels = raw.shape.length === 4 ? raw.shape[1] : 1;
    const [h, w] = raw.shape.slice(-2);
    const places = h * w;
    const signed = new Float32Array(count * places);
    for (let i = 0; i < values.length; i++) {
      signed[Math.floor(i / (channels * places)) * places + (i % places)] += values[i];
    }
    return {
      ...{ count, size: [H, W], finished: finished as Float32Array, signed, signedSize: [h, w] },
      amounts: explained.signed
        ? (finished.map((v) => Math.abs(2 * v - 1)) as Float32Array)
        : (finished as Float32Array),
    };
  } finally {
    explained.destroy();
  }
}

/** One map that shows nothing, of the size of others. */
function blankLike({ count, size, finished, signed, signedSize }: Maps, method: Method): Maps {
  return {
    ...{ count: 1, size, signedSize },
    finished: new Float32Array(finished.length / count).fill(isSigned(method) ? 0.5 : 0),
    amounts: new Float32Array(finished.length / count),
    signed: new Float32Array(signed.length / count),
  };
}

/** Maps of several batches as of one; a missing one shows nothing, as large as those of `like`. */
export function joined(answers: readonly (Maps | undefined)[], like: Maps, method: Method): Maps {
  const parts = answers.map((maps) => maps ?? blankLike(like, method));
  const join = (lists: readonly Float32Array[]) => {
    const all = new Float32Array(lists.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const list of lists) {
      all.set(list, at);
      at += list.length;
    }
    return all;
  };
  return {
    count: parts.reduce((sum, { count }) => sum + count, 0),
    size: like.size,
    signedSize: like.signedSize,
    finished: join(parts.map(({ finished }) => finished)),
    amounts: join(parts.map(({ amounts }) => amounts)),
    signed: join(parts.map(({ signed }) => signed)),
  };
}

/** Image `n`'s part of what `count` images share. */
export const imageOf = (values: Float32Array, n: number, count: number): Float32Array =>
  values.subarray((n * values.length) / count, ((n + 1) * values.length) / count);

/** One image's maps. */
export type OneMap = Omit<Maps, 'count' | 'finished'>;

export const oneOf = ({ count, size, amounts, signed, signedSize }: Maps, n: number): OneMap => ({
  size,
  signedSize,
  amounts: imageOf(amounts, n, count),
  signed: imageOf(signed, n, count),
});

/** Whether a map shows nothing. */
export const isBlank = (map: Float32Array): boolean => map.every((value) => value === map[0]);
