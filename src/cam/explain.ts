import { LayerError } from '../errors.js';
import type { Gpu } from '../gpu/device.js';
import { Recorder, type RunPlan } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { PassTimes } from '../gpu/timing.js';
import type { Value } from '../gpu/value.js';
import { fuseMaps } from '../kernels/fuse-maps.js';
import { rowRange } from '../kernels/row-range.js';
import type { Net } from '../net/net.js';
import { inputValue, type NetInput, picturesOf } from './input.js';
import { isSigned, type Method } from './method.js';
import { optionsOf } from './options.js';
import { type Profile, profiles } from './profiles.js';
import { methodNamed } from './registry.js';
import { type MapInfo, SaliencyMap } from './saliency-map.js';
import { amountsOf, type Demand, type Finished, type Report, sceneOf, stretch } from './scene.js';
import { classTarget, type Target } from './target.js';

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
 * one command buffer, or for methods of many passes a few. Nothing is read back, but for a few counts: of
 * channels that are alive, and from methods that may find they cannot answer.
 *
 * To explain several classes of one photo give it as often, with a class for each: methods whose masks do not depend on the class
 * (Score-CAM, RISE, LIME, ...) then ask the network once for all of them.
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
  const { outputs, reports, demands, info } = record(recorder, net, input, options);
  const all = [...outputs, ...[...reports, ...demands].map((d) => d.value)];
  const plan = recorder.plan(all);
  net.gpu.resetPeak();
  let tensors: Tensor[];
  let times: PassTimes | undefined;
  if (options.profileTimes) ({ tensors, times } = await recorder.profile(all));
  else tensors = await recorder.run(all, options);
  await checkDemands(net.gpu, demands, tensors);
  const [map, raw, logits, score, rawRange, mapRange, ...further] = tensors;
  const numbers = Object.fromEntries(reports.map(({ name }, i) => [name, further[i]]));
  const owned = { map, raw, logits, score, rawRange, mapRange, numbers };
  return new SaliencyMap(owned, info, plan, times);
}

/** Throws the first demand that is not met; frees all tensors then, and the demands' own in any case. */
async function checkDemands(
  gpu: Gpu,
  demands: readonly Demand[],
  tensors: readonly Tensor[],
): Promise<void> {
  if (demands.length === 0) return;
  const own = tensors.slice(tensors.length - demands.length);
  let failure: unknown;
  try {
    const values = await gpu.read(own);
    demands.forEach(({ copies, error }, i) => {
      const at = values[i].findIndex((v, n) => n % copies === 0 && !(v > 0));
      if (at >= 0) failure ??= error(at / copies);
    });
  } catch (error) {
    failure = error;
  }
  for (const tensor of failure ? tensors : own) tensor.destroy();
  if (failure) throw failure;
}

/** What {@link explain} would cost, without running it. */
export function planExplain(net: Net, input: NetInput, options: ExplainOptions = {}): RunPlan {
  const recorder = new Recorder(net.caps);
  const { outputs, reports, demands } = record(recorder, net, input, options);
  return recorder.plan([...outputs, ...[...reports, ...demands].map((d) => d.value)]);
}

function record(
  recorder: Recorder,
  net: Net,
  input: NetInput,
  options: ExplainOptions,
): {
  outputs: Value[];
  reports: readonly Report[];
  demands: readonly Demand[];
  info: MapInfo;
} {
  const { k } = recorder;
  const method =
    typeof options.method === 'object' ? options.method : methodNamed(options.method ?? 'grad-cam');
  const profileName = options.profile ?? 'paper';
  const profile = profiles[profileName];
  const values = optionsOf(method, options.options, profileName);
  const layers = layersOf(method, net, options.layer);
  const target = options.target ?? classTarget();
  const x = inputValue(recorder, net, input);
  const [N] = x.shape;

  const demands: Demand[] = [];
  const reports: Report[] = [];
  const scene = sceneOf({
    recorder,
    net,
    input: x,
    pictures: picturesOf(input, N),
    layers,
    target,
    part: target.parts[0],
    memoryBytes: options.memoryBytes ?? recorder.caps.limits.maxBufferSize / 4,
    profile: profileName,
    size: profile.size,
    keepsNegative: profile.keepsNegative,
    demands,
    reports,
    taps: method.taps?.(net.graph),
  });
  const { trace } = scene;
  const parts = target.parts.map((part) => {
    const own = part === scene.part ? scene : scene.about({ target: { ...target, parts: [part] } });
    const raw = method.record(own, values);
    return { part, raw, score: own.seed(trace).score };
  });

  const raw = parts[0].raw;
  let finished: Finished;
  if (parts.length === 1) finished = scene.finished(method, raw);
  else {
    let sum: Value | undefined;
    parts.forEach(({ part, raw }, i) => {
      const { map } = scene.finished(method, raw, { toAdd: true });
      const share = { mode: 'sum', weight: part.weight, first: i === 0 } as const;
      sum = k(fuseMaps, { x: amountsOf(recorder, method, map) }, share, { into: sum });
    });
    finished = stretch(recorder, sum!, isSigned(method));
  }
  const rawRange = k(rowRange, { x: raw.reshape([N, raw.size / N]) });
  return {
    outputs: [finished.map, raw, trace.output, parts[0].score, rawRange, finished.range],
    reports,
    demands,
    info: {
      method,
      options: values,
      profile: profileName,
      layers,
      target: method.usesTarget ? target.description : 'none',
      maps: parts.length,
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
