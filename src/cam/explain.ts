import { LayerError, TargetError } from '../errors.js';
import { coreCaps } from '../gpu/caps.js';
import { Recorder, type RunPlan } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { PassTimes } from '../gpu/timing.js';
import type { Value } from '../gpu/value.js';
import { fuseMaps } from '../kernels/fuse-maps.js';
import { maxAbsChannels } from '../kernels/max-abs-channels.js';
import { normalizeRows } from '../kernels/normalize-rows.js';
import { relu } from '../kernels/relu.js';
import { resizeBilinear } from '../kernels/resize-bilinear.js';
import { rowRange } from '../kernels/row-range.js';
import type { Net } from '../net/net.js';
import type { Trace } from '../net/trace.js';
import { inputValue, type NetInput } from './input.js';
import type { Method, Scene } from './method.js';
import { optionsOf } from './options.js';
import { type Profile, profiles } from './profiles.js';
import { methodNamed } from './registry.js';
import { type MapInfo, SaliencyMap } from './saliency-map.js';
import { classTarget, type Seed, type Target, type TargetPart } from './target.js';

export interface ExplainOptions {
  /** A method or its name; default `grad-cam`. */
  readonly method?: Method | string;
  /** Node to explain at, or several for methods that fuse layers; default the network's own. */
  readonly layer?: string | readonly string[];
  /** What to explain; default the logit of the predicted class. */
  readonly target?: Target;
  /** The method's options; see `methods`. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Whose conventions to follow where libraries differ; default `paper`. */
  readonly profile?: Profile;
  /** What one batch of masked copies may take on the GPU, bytes; default a quarter of the device's largest buffer. */
  readonly memoryBytes?: number;
  /** Stops a long explanation between two submissions. */
  readonly signal?: AbortSignal;
  /** Called as a long explanation proceeds. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Measure the GPU time of each dispatch, where the device can. */
  readonly profileTimes?: boolean;
}

/**
 * Explains a network's output for a batch of inputs: forward, backward, the method's weighting, enlarging and stretching to 0..1, all in
 * one command buffer. Nothing is read back.
 *
 * @param input photos, or [N,3,H,W] normalised as the network wants it
 * @throws LayerError, TargetError, ShapeError for what does not fit; DeviceError if the device is lost or out of memory.
 */
export async function explain(
  net: Net,
  input: NetInput,
  options: ExplainOptions = {},
): Promise<SaliencyMap> {
  if (!net.gpu)
    throw new LayerError(`explain: ${net.name} has no weights: load them with Net.load`);
  const recorder = Recorder.on(net.gpu);
  const { outputs, info } = record(recorder, net, input, options);
  const plan = recorder.plan(outputs);
  net.gpu.resetPeak();
  let tensors: Tensor[];
  let times: PassTimes | undefined;
  if (options.profileTimes) ({ tensors, times } = await recorder.profile(outputs));
  else tensors = await recorder.run(outputs, options);
  const [map, raw, logits, score, rawRange, mapRange] = tensors;
  return new SaliencyMap({ map, raw, logits, score, rawRange, mapRange }, info, plan, times);
}

/** What {@link explain} would cost, without running it. */
export function planExplain(net: Net, input: NetInput, options: ExplainOptions = {}): RunPlan {
  const recorder = new Recorder(net.gpu?.caps ?? coreCaps);
  return recorder.plan(record(recorder, net, input, options).outputs);
}

function record(
  recorder: Recorder,
  net: Net,
  input: NetInput,
  options: ExplainOptions,
): { outputs: Value[]; info: MapInfo } {
  const { k } = recorder;
  const method =
    typeof options.method === 'object' ? options.method : methodNamed(options.method ?? 'grad-cam');
  const profileName = options.profile ?? 'paper';
  const profile = profiles[profileName];
  const values = optionsOf(method, options.options, profileName);
  const layers = layersOf(method, net, options.layer);
  const target = options.target ?? classTarget();
  const x = inputValue(recorder, net, input);
  const [N, , H, W] = x.shape;

  const backwardTo = layers.length > 0 ? layers : ['input'];
  const taps = target.node ? [...layers, target.node] : layers;
  const retrace = (from: Value) => net.trace(recorder, from, { taps, backwardTo });
  const trace = retrace(x);
  const parts = target.parts.map((part) => {
    const scene = sceneOf({
      recorder,
      net,
      input: x,
      layers,
      target,
      part,
      trace,
      retrace,
      memoryBytes: options.memoryBytes ?? recorder.caps.limits.maxBufferSize / 4,
    });
    const raw = method.record(scene, values);
    return { part, raw, score: scene.seed(trace).score };
  });

  const finished = parts.map(({ part, raw }) => ({
    part,
    raw,
    ...finish(
      recorder,
      method,
      raw,
      profile.keepsNegative,
      profile.size === 'input' ? [H, W] : undefined,
    ),
  }));
  let { map, range: mapRange } = finished[0];
  if (finished.length > 1) {
    let sum: Value | undefined;
    finished.forEach((f, i) => {
      const how = { mode: 'sum', weight: f.part.weight, first: i === 0 } as const;
      sum = k(fuseMaps, { x: f.map }, how, { into: sum });
    });
    ({ map, range: mapRange } = stretch(recorder, sum!));
  }
  const raw = parts[0].raw;
  const rawRange = k(rowRange, { x: raw.reshape([N, raw.size / N]) });
  return {
    outputs: [map, raw, trace.output, parts[0].score, rawRange, mapRange],
    info: {
      method,
      options: values,
      profile: profileName,
      layers,
      target: method.usesTarget ? target.description : 'none',
      network: net.name,
      preprocessing: net.preprocessing,
    },
  };
}

/** Layers the method will use. @throws LayerError if there are too many, or one that does not exist. */
function layersOf(method: Method, net: Net, given: ExplainOptions['layer']): readonly string[] {
  if (method.layers === 'none') return [];
  const layers =
    given === undefined ? [net.defaultLayer] : typeof given === 'string' ? [given] : given;
  for (const layer of layers) net.graph.get(layer);
  if (layers.length === 0 || (layers.length > 1 && method.layers === 'one')) {
    throw new LayerError(`${method.name}: ${layers.length} layers given, should be one`);
  }
  return layers;
}

/** A scene whose seed is recorded once a trace. */
function sceneOf(parts: {
  recorder: Recorder;
  net: Net;
  input: Value;
  layers: readonly string[];
  target: Target;
  part: TargetPart;
  trace: Trace;
  retrace: (input: Value) => Trace;
  memoryBytes: number;
}): Scene {
  const seeds = new Map<Trace, Seed>();
  const { recorder, net, target, part, trace: own } = parts;
  return {
    ...parts,
    choice: () => {
      if (part.choose && !target.node) return part.choose(recorder, own.output);
      throw new TargetError(
        `${target.description}: this method scores other images by a class: choose one`,
      );
    },
    seed: (trace) => {
      let seed = seeds.get(trace);
      if (!seed) {
        seed = part.seed(recorder, trace.value(target.node ?? net.graph.output));
        seeds.set(trace, seed);
      }
      return seed;
    },
  };
}

/** From the raw map [N,h,w] (or [N,C,H,W]) to the finished one [N,H,W] in 0..1, and the range it was stretched from. */
function finish(
  recorder: Recorder,
  method: Method,
  raw: Value,
  keepsNegative: boolean,
  size: readonly [number, number] | undefined,
): { map: Value; range: Value } {
  const { k } = recorder;
  let map = raw;
  if (method.finish === 'magnitude') map = k(maxAbsChannels, { x: raw });
  else if (!keepsNegative) map = k(relu, { x: raw });
  const [N, h, w] = map.shape;
  if (size && (h !== size[0] || w !== size[1])) {
    map = k(resizeBilinear, { x: map.reshape([N, 1, h, w]) }, { outputSize: size }).reshape([
      N,
      ...size,
    ]);
  }
  return stretch(recorder, map);
}

/** Min-max to 0..1; a constant map gives zeros. */
function stretch(recorder: Recorder, map: Value): { map: Value; range: Value } {
  const { k } = recorder;
  const rows = map.reshape([map.shape[0], map.size / map.shape[0]]);
  const range = k(rowRange, { x: rows });
  return { map: k(normalizeRows, { x: rows, range }).reshape(map.shape), range };
}
