/**
 * Whether a map's heat lies where it should: on the thing that was asked for, of which a mask is known.
 */
import { explain } from '../cam/explain.js';
import type { Method } from '../cam/method.js';
import { classTarget } from '../cam/target.js';
import { LayerError, ShapeError, TargetError } from '../errors.js';
import { Photo, type RgbaImage } from '../image/photo.js';
import type { Net } from '../net/net.js';

/** A mask over a map's pixels, row by row: 1 on the thing, 0 elsewhere. */
export type Mask = ArrayLike<number>;

/**
 * The share of a map's energy (its sum) that lies in a mask, 0..1.
 *
 * @param map values of at least 0, as finished maps have; of one with a sign {@link positivePart}
 * @param rival counts only the energy on `mask` and on this one: 1 is all on the right thing, 0 all on the other
 * @returns 0 for a map without energy there, and for one that is not finite
 * @throws ShapeError if a mask is not of the map's size
 */
export function energyShare(map: ArrayLike<number>, mask: Mask, rival?: Mask): number {
  checkSize('energyShare', map, mask);
  if (rival) checkSize('energyShare', map, rival);
  let [inside, all] = [0, 0];
  for (let i = 0; i < map.length; i++) {
    if (mask[i]) inside += map[i];
    if (!rival || mask[i] || rival[i]) all += map[i];
  }
  return all > 0 && Number.isFinite(all) ? inside / all : 0;
}

/** What speaks for the target in a finished map that has a sign, 0..1: where 1/2 is 0 that is what lies above it. */
export const positivePart = (map: Float32Array): Float32Array =>
  map.map((v) => Math.max(0, 2 * v - 1));

/**
 * Whether a map's highest pixel, the first of equals, lies in a mask. A map that is the same everywhere, or nowhere a number, points at nothing.
 *
 * @throws ShapeError if the mask is not of the map's size
 */
export function pointsAt(map: ArrayLike<number>, mask: Mask): boolean {
  checkSize('pointsAt', map, mask);
  const highest = highestPixel(map);
  return highest !== undefined && mask[highest] > 0;
}

/** Index of the first of the highest pixels; undefined if none is higher than another. */
function highestPixel(map: ArrayLike<number>): number | undefined {
  let [at, least, most] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < map.length; i++) {
    least = Math.min(least, map[i]);
    if (map[i] > most) {
      most = map[i];
      at = i;
    }
  }
  // Not so for NaN either.
  return most > least ? at : undefined;
}

function checkSize(name: string, map: ArrayLike<number>, mask: Mask): void {
  if (mask.length !== map.length) {
    throw new ShapeError(
      `${name}: the mask has ${mask.length} pixels, the map ${map.length}: lay the mask out over what the network sees`,
    );
  }
}

/** One map to be judged: a photo, the class to explain, and where that class is. */
export interface LocalisationCase {
  readonly image: RgbaImage;
  readonly classId: number;
  /** [H,W] of the network's input: where the class is. */
  readonly mask: Mask;
  /** The same of the things of other classes, if there are any. */
  readonly rival?: Mask;
}

/** How well the maps of one method lie; shares are means over maps, 0..1. */
export interface Localisation {
  readonly maps: number;
  /** Share of the energy in the right mask. */
  readonly energy: number;
  /** Share of it among the right mask and its rival's; undefined where no case has a rival. */
  readonly energyOfBoth?: number;
  /** Share of the maps whose highest pixel lies in the right mask. */
  readonly points: number;
  /** Maps that show nothing, and cases that the method refused; they count as 0 above. */
  readonly blank: number;
}

/** Adds up how maps lie. */
export class LocalisationTally {
  #maps = 0;
  #energy = 0;
  #rivals = 0;
  #energyOfBoth = 0;
  #points = 0;
  #blank = 0;

  /** @param map [H,W] of the case's class, values of at least 0 */
  add(map: ArrayLike<number>, { mask, rival }: Pick<LocalisationCase, 'mask' | 'rival'>): void {
    this.#maps++;
    this.#energy += energyShare(map, mask);
    if (rival) {
      this.#rivals++;
      this.#energyOfBoth += energyShare(map, mask, rival);
    }
    if (pointsAt(map, mask)) this.#points++;
    if (highestPixel(map) === undefined) this.#blank++;
  }

  /** The means so far. */
  get score(): Localisation {
    const maps = this.#maps;
    return {
      maps,
      energy: maps && this.#energy / maps,
      ...(this.#rivals > 0 && { energyOfBoth: this.#energyOfBoth / this.#rivals }),
      points: maps && this.#points / maps,
      blank: this.#blank,
    };
  }
}

/** How {@link judgeMaps} goes about it. */
export interface JudgeOptions {
  /** The method's options. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Maps computed at once; default 20. */
  readonly batch?: number;
  readonly signal?: AbortSignal;
  /** Called after each batch with the number of maps done. */
  readonly onProgress?: (done: number) => void;
}

/** What {@link judgeMaps} found. */
export interface Judgement {
  /** One score for each list of cases. */
  readonly scores: readonly Localisation[];
  /**
   * Wall milliseconds of `explain` for one map of a batch, read back; without the first batch of each size, which makes the
   * pipelines. Undefined if no batch was explained as a whole.
   */
  readonly msPerMap?: number;
}

/**
 * Explains every case by one method and holds the maps against the masks. A case that the method refuses with a TargetError (MSG-CAM does where
 * the network takes the image for another class) counts as a blank map.
 *
 * @param sets lists of cases that are scored apart
 * @throws LayerError if the method does not fit the network; TargetError if it refuses all cases; ShapeError for a mask of another size than
 *   the map; as `explain` otherwise.
 */
export async function judgeMaps(
  net: Net,
  method: Method,
  sets: readonly (readonly LocalisationCase[])[],
  { options, batch = 20, signal, onProgress }: JudgeOptions = {},
): Promise<Judgement> {
  if (!Number.isInteger(batch) || batch < 1) {
    throw new RangeError(`judgeMaps: batch is ${batch}, should be a whole number of at least 1`);
  }
  const timed = { options, signal };
  const tallies = sets.map(() => new LocalisationTally());
  const warm = new Set<number>();
  let [timeMs, timedCount, done, answered] = [0, 0, 0, 0];
  let refusal: unknown;
  // A batch in which everything was explained.
  let whole: readonly LocalisationCase[] | undefined;
  for (const [s, cases] of sets.entries()) {
    for (let start = 0; start < cases.length; start += batch) {
      signal?.throwIfAborted();
      const some = cases.slice(start, start + batch);
      const { maps, elapsedMs, error } = await mapsOrBlanks(net, method, some, timed);
      some.forEach((one, n) => {
        tallies[s].add(maps[n] ?? new Float32Array(one.mask.length), one);
      });
      refusal ??= error;
      answered += maps.filter(Boolean).length;
      if (elapsedMs !== undefined) {
        if (warm.has(some.length)) {
          timeMs += elapsedMs;
          timedCount += some.length;
        }
        warm.add(some.length);
        whole ??= some;
      }
      done += some.length;
      onProgress?.(done);
    }
  }
  if (refusal && answered === 0) throw refusal;
  if (timedCount === 0 && whole) {
    ({ elapsedMs: timeMs } = await timedMaps(net, method, whole, timed));
    timedCount = whole.length;
  }
  return {
    scores: tallies.map(({ score }) => score),
    ...(timedCount > 0 && { msPerMap: timeMs / timedCount }),
  };
}

/** The map of each case, one by one if the method refuses one of them; then there is no time, and the refused have no map. */
async function mapsOrBlanks(
  net: Net,
  method: Method,
  cases: readonly LocalisationCase[],
  options: Pick<JudgeOptions, 'options' | 'signal'>,
): Promise<{
  maps: readonly (Float32Array | undefined)[];
  elapsedMs?: number;
  error?: TargetError;
}> {
  try {
    return await timedMaps(net, method, cases, options);
  } catch (error) {
    if (!(error instanceof TargetError)) throw error;
    if (cases.length === 1) return { maps: [undefined], error };
    const maps: (Float32Array | undefined)[] = [];
    for (const one of cases) maps.push(...(await mapsOrBlanks(net, method, [one], options)).maps);
    return { maps, error };
  }
}

/** The finished map of each case, and the milliseconds from the photos on the GPU to the maps read back. */
async function timedMaps(
  net: Net,
  method: Method,
  cases: readonly LocalisationCase[],
  options: Pick<JudgeOptions, 'options' | 'signal'>,
): Promise<{ maps: Float32Array[]; elapsedMs: number }> {
  const { gpu } = net;
  if (!gpu) throw new LayerError(`judgeMaps: ${net.name} has no weights: load them with Net.load`);
  // A picture that is asked for several things is one photo: `explain` then masks it once for all.
  const photoOf = new Map<RgbaImage, Photo>();
  for (const { image } of cases) {
    if (!photoOf.has(image)) photoOf.set(image, Photo.fromRgba(gpu, image));
  }
  const photos = cases.map(({ image }) => photoOf.get(image)!);
  try {
    const target = classTarget(cases.map(({ classId }) => classId));
    const start = performance.now();
    const explained = await explain(net, photos, { method, target, ...options });
    try {
      const all = await explained.read();
      const elapsedMs = performance.now() - start;
      const size = all.length / cases.length;
      const maps = cases.map((_, n) => all.subarray(n * size, (n + 1) * size));
      return { maps: explained.signed ? maps.map(positivePart) : maps, elapsedMs };
    } finally {
      explained.destroy();
    }
  } finally {
    for (const photo of photoOf.values()) photo.destroy();
  }
}
