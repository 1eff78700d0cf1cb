import { TargetError } from '../errors.js';
import type { Recorder } from '../gpu/recorder.js';
import type { Value } from '../gpu/value.js';
import { addNoise, noiseOf } from '../kernels/add-noise.js';
import { maxAbsChannels } from '../kernels/max-abs-channels.js';
import { mixParts } from '../kernels/mix-parts.js';
import { normalizeRows } from '../kernels/normalize-rows.js';
import { relu } from '../kernels/relu.js';
import { repeatRows } from '../kernels/repeat-rows.js';
import { resizeBilinear } from '../kernels/resize-bilinear.js';
import { rowRange } from '../kernels/row-range.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import type { Net } from '../net/net.js';
import type { Trace } from '../net/trace.js';
import { isSigned, type Method, type Scene } from './method.js';
import type { Profile, ProfileSpec } from './profiles.js';
import type { Seed, Target, TargetPart } from './target.js';

/** A value whose elements must be positive for an explanation to stand. */
export interface Demand {
  readonly value: Value;
  /** Elements of `value` for each image; the first of them must be positive. */
  readonly copies: number;
  readonly error: (image: number) => Error;
}

/** A number for each image that a method gives beside its map. */
export interface Report {
  readonly name: string;
  /** [N] */
  readonly value: Value;
}

interface SceneParts extends Pick<ProfileSpec, 'size' | 'keepsNegative'> {
  readonly recorder: Recorder;
  readonly net: Net;
  readonly input: Value;
  /** See {@link Scene.pictures}; default each image its own. */
  readonly pictures?: readonly number[] | undefined;
  readonly layers: readonly string[];
  readonly target: Target;
  readonly part: TargetPart;
  readonly memoryBytes: number;
  /** Default `paper`. */
  readonly profile?: Profile;
  /** Where {@link Scene.demand} puts what it is given. */
  readonly demands: Demand[];
  /** What the method asks for beside its layers, on every forward pass. */
  readonly taps?: readonly string[];
  /** Where {@link Scene.report} does. */
  readonly reports?: Report[];
  /** Copies of each of the caller's images, of which the first is demanded of; 1 if they are the images themselves. */
  readonly copies?: number;
  /** Names of the noise that `input` has been given, which those of further noise begin with. */
  readonly noises?: string;
  /** The forward pass of `input`, if there is one already. */
  readonly trace?: Trace;
  /** That of the caller's images, of which `input` has copies: classes are chosen on it. */
  readonly root?: Trace;
  /** One-hot rows of the images' classes, if they are known already. */
  readonly chosen?: () => Value;
}

/** A finished map. */
export interface Finished {
  /** [N,H,W] in 0..1. */
  readonly map: Value;
  /** [N,4], of `rowRange`: what the map was stretched from. */
  readonly range: Value;
}

interface FinishOptions {
  readonly keepsNegative: boolean;
  /** [H,W]; default the raw map's. */
  readonly size: readonly [number, number] | undefined;
  /** Whether it is added to others: what is not finite stays so, for the sum to tell of it. */
  readonly toAdd?: boolean;
}

/** A scene, and how it finishes maps. */
export interface OwnScene extends Scene {
  finished(method: Method, raw: Value, how?: Partial<FinishOptions>): Finished;
}

/** What a method is given. The forward pass, each seed and the choice of classes are recorded once. */
export function sceneOf(parts: SceneParts): OwnScene {
  const { recorder, net, input, layers, target, part } = parts;
  const backwardTo = layers.length > 0 ? layers : ['input'];
  const taps = [...layers, ...(target.node ? [target.node] : []), ...(parts.taps ?? [])];
  const retrace = (from: Value) => net.trace(recorder, from, { taps, backwardTo });
  const trace = parts.trace ?? retrace(input);
  const { root = trace, copies: ofEach = 1 } = parts;
  const copiesOf = (x: Value, copies: number) =>
    copies === 1 ? x : recorder.k(repeatRows, { x }, { copies });
  const chosen =
    parts.chosen ??
    once(() => {
      if (part.choose && !target.node) return copiesOf(part.choose(recorder, root.output), ofEach);
      throw new TargetError(
        `${target.description}: this method scores other images by a class: choose one`,
      );
    });
  const noises = parts.noises ?? '';
  const noise = (name: string, sigma: number) => recorder.constant(noiseOf(noises + name, sigma));
  const sceneOn = (other: Value, copies: number, more: Partial<SceneParts>) =>
    sceneOf({
      ...parts,
      input: other,
      // Noise may have made copies of one picture differ.
      pictures: undefined,
      size: 'input',
      copies: copies * ofEach,
      trace: undefined,
      root,
      chosen: once(() => copiesOf(chosen(), copies)),
      ...more,
    });
  const seeds = new Map<Trace, Seed>();
  const [, , H, W] = input.shape;
  const finished: OwnScene['finished'] = (method, raw, how) =>
    finish(recorder, method, raw, {
      keepsNegative: parts.keepsNegative,
      size: parts.size === 'input' ? [H, W] : undefined,
      ...how,
    });
  return {
    recorder,
    net,
    input,
    pictures: parts.pictures ?? Array.from({ length: input.shape[0] }, (_, i) => i),
    layers,
    target,
    part,
    memoryBytes: parts.memoryBytes,
    profile: parts.profile ?? 'paper',
    trace,
    retrace,
    choice: chosen,
    seed: (of) => {
      let seed = seeds.get(of);
      if (!seed) {
        const y = of.value(target.node ?? net.graph.output);
        seed = part.seed(recorder, y, part.choose && !target.node ? chosen() : undefined);
        seeds.set(of, seed);
      }
      return seed;
    },
    // Maps of other images are finished at their own size, for whoever puts them together.
    on: (other, copies, demanding = true) =>
      sceneOn(other, copies, demanding ? {} : { demands: [] }),
    noise,
    noisy: (name, sigma) => {
      const noisy = recorder.k(addNoise, { x: input, noise: noise(name, sigma) });
      return sceneOn(noisy, 1, { noises: `${noises}${name}/` });
    },
    about: (other) =>
      sceneOf({
        ...parts,
        ...other,
        part: other.target ? other.target.parts[0] : part,
        trace,
        ...(other.target ? { chosen: undefined } : { chosen }),
      }),
    finished,
    // Parts of a fusion may be of any size: they meet at the input's.
    amounts: (method, raw) =>
      amountsOf(recorder, method, finished(method, raw, { size: [H, W], toAdd: true }).map),
    report: (name, value) => {
      const { copies, reports = [] } = parts;
      const isKnown = reports.some((r) => r.name === name);
      if (copies === undefined && !isKnown) reports.push({ name, value });
    },
    demand: (value, error) => {
      parts.demands.push({ value, copies: ofEach, error });
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** From the raw map [N,h,w] (or [N,C,H,W]) to the finished one [N,H,W] in 0..1, and the range it was stretched from. */
function finish(
  recorder: Recorder,
  method: Method,
  raw: Value,
  { keepsNegative, size, toAdd = false }: FinishOptions,
): Finished {
  const { k } = recorder;
  let map = raw;
  if (method.finish === 'magnitude') map = k(maxAbsChannels, { x: raw });
  else if (isSigned(method) && raw.shape.length === 4) map = sumOfChannels(recorder, raw);
  else if (method.finish === 'relu' && !keepsNegative)
    map = k(relu, { x: raw }, { keepsInfinite: toAdd });
  const [N, h, w] = map.shape;
  if (size && (h !== size[0] || w !== size[1])) {
    map = k(resizeBilinear, { x: map.reshape([N, 1, h, w]) }, { outputSize: size }).reshape([
      N,
      ...size,
    ]);
  }
  return stretch(recorder, map, isSigned(method), toAdd);
}

/** x [N,C,H,W] -> [N,H,W]. */
function sumOfChannels(recorder: Recorder, x: Value): Value {
  const [N, C] = x.shape;
  const w = recorder.constant(new Float32Array(N * C).fill(1), [N, C]);
  return recorder.k(weightedSum, { x, w });
}

/**
 * Min-max to 0..1; a constant map gives zeros. If `signed`, 1/2 is 0 and the largest magnitude reaches 0 or 1. What is not finite becomes 0, or
 * 1/2, unless it is kept.
 */
export function stretch(
  recorder: Recorder,
  map: Value,
  signed = false,
  keepsNonFinite = false,
): Finished {
  const { k } = recorder;
  const rows = map.reshape([map.shape[0], map.size / map.shape[0]]);
  const range = k(rowRange, { x: rows });
  const stretched = k(normalizeRows, { x: rows, range }, { signed, keepsNonFinite });
  return { map: stretched.reshape(map.shape), range };
}

/** What a finished map stands for, to be added to others: itself, or -1..1 if it has a sign. */
export function amountsOf(recorder: Recorder, method: Method, map: Value): Value {
  if (!isSigned(method)) return map;
  return recorder.k(mixParts, { x: map, c: recorder.constant(Float32Array.of(2, 0, 0, 0, -1)) });
}
