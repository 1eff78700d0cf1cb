import { DeviceError, ShapeError, WeightsError } from '../errors.js';
import { type Caps, coreCaps, coreLimits } from '../gpu/caps.js';
import type { Gpu } from '../gpu/device.js';
import { Recorder, type RunPlan } from '../gpu/recorder.js';
import type { Storage, Tensor } from '../gpu/tensor.js';
import { placeholder, type Value } from '../gpu/value.js';
import type { Architecture, Preprocessing } from './architecture.js';
import { fittingNetworks, fitWeights } from './fit.js';
import type { Graph, OpKind } from './graph.js';
import { MaskedInput } from './masked-input.js';
import { type ParamSource, Params } from './params.js';
import { gradient, type RuleSet } from './rules.js';
import { Trace, type TraceOptions } from './trace.js';
import { parseWeights, type Weights } from './weights/index.js';
import { networkNamed, networks } from './zoo/index.js';

/** For shapes alone: nothing is computed, so nothing is too large. */
const endless = {
  ...coreLimits,
  maxStorageBufferBindingSize: Number.MAX_SAFE_INTEGER,
  maxBufferSize: Number.MAX_SAFE_INTEGER,
};

/** Height and width, pixels. */
export type InputSize = readonly [height: number, width: number];

export interface LayerInfo {
  readonly name: string;
  readonly kind: OpKind;
  /** Of its output, for batch 1. */
  readonly shape: readonly number[];
  /** Number of its parameters' elements. */
  readonly params: number;
  /** Whether its output is a stack of maps, or patches' tokens, which are one: the CAM methods can explain it. */
  readonly spatial: boolean;
  readonly isDefault: boolean;
}

export interface PlanOptions {
  readonly inputSize?: InputSize;
  /** Device to plan for; default the one the network is bound to, else core limits. */
  readonly caps?: Caps;
  readonly taps?: readonly string[];
  /** Also plan a backward pass from the output to these nodes. */
  readonly backwardTo?: readonly string[];
  readonly rules?: RuleSet;
}

export interface NetOptions {
  /** Names of the classes; default those in the weights file's metadata, if any. */
  readonly labels?: readonly string[];
  readonly preprocessing?: Preprocessing;
  /**
   * How weights and the values between layers are stored: `f16` takes half the bytes, on devices with the feature `shader-f16`. Sums are made in f32, and
   * what goes in or comes out (images, logits, activations, gradients, maps) is f32. Default f32.
   */
  readonly storage?: Storage;
}

/** A network: an architecture with a number of classes, its weights, and the GPU they are on. */
export class Net {
  readonly graph: Graph;
  readonly params: Params | undefined;
  readonly preprocessing: Preprocessing;
  /** How its weights and values are stored. */
  readonly storage: Storage;

  private constructor(
    readonly architecture: Architecture,
    readonly classes: number,
    readonly labels: readonly string[] | undefined,
    readonly gpu: Gpu | undefined,
    sources: ReadonlyMap<string, ParamSource> | undefined,
    { preprocessing = architecture.preprocessing, storage = 'f32' }: NetOptions = {},
  ) {
    if (gpu && storage === 'f16' && !gpu.caps.features.has('shader-f16')) {
      throw new DeviceError(
        `${architecture.name}: storage f16 needs the feature shader-f16, which ${gpu.adapterName} does not offer: load the network with storage f32`,
      );
    }
    this.graph = architecture.build(classes);
    this.params = gpu && sources && new Params(gpu, sources, storage);
    this.preprocessing = preprocessing;
    this.storage = storage;
  }

  /**
   * Checks the weights against the architecture and binds them to the GPU. The number of classes is read off the weights.
   *
   * @param network its name, or an architecture of one's own; default the name in the weights file's metadata, or the one that its tensors fit
   * @throws WeightsError that lists all missing, extra and misshapen tensors; LayerError for an unknown network; DeviceError for 16-bit storage
   * on a device without `shader-f16`.
   */
  static load(
    gpu: Gpu,
    network: string | Architecture | undefined,
    weights: Weights | Uint8Array,
    options: NetOptions = {},
  ): Net {
    const parsed = weights instanceof Uint8Array ? parseWeights(weights) : weights;
    const wanted =
      network ?? parsed.metadata.network ?? fittingNetworks(parsed)[0]?.architecture.name;
    if (wanted === undefined) {
      throw new WeightsError(
        `${parsed.name}: fits no network there is: name one of ${[...networks.keys()].join(', ')}`,
      );
    }
    const named = typeof wanted === 'string' ? networkNamed(wanted) : wanted;
    const { architecture, classes, sources } = fitWeights(named, parsed);
    const labels = options.labels ?? labelsFrom(parsed.metadata.labels);
    return new Net(architecture, classes, labels, gpu, sources, options);
  }

  /** Binds parameters that come from anywhere (name -> shape and values). */
  static from(
    gpu: Gpu,
    architecture: Architecture,
    sources: ReadonlyMap<string, ParamSource>,
    options: NetOptions & { classes?: number } = {},
  ): Net {
    const { classes = architecture.classes, labels } = options;
    return new Net(architecture, classes, labels, gpu, sources, options);
  }

  /** The network without weights: it can be planned and listed, not run. */
  static describe(
    network: string | Architecture,
    classes?: number,
    options: Pick<NetOptions, 'storage'> = {},
  ): Net {
    const architecture = typeof network === 'string' ? networkNamed(network) : network;
    const all = classes ?? architecture.classes;
    return new Net(architecture, all, undefined, undefined, undefined, options);
  }

  /** What it is planned for unless told otherwise: the device it is on, else core limits and no feature but what its storage needs. */
  get caps(): Caps {
    if (this.gpu) return this.gpu.caps;
    return this.storage === 'f32' ? coreCaps : { ...coreCaps, features: new Set(['shader-f16']) };
  }

  get name(): string {
    return this.architecture.name;
  }

  get defaultLayer(): string {
    return this.architecture.defaultLayer;
  }

  /** The input size its weights were trained for. */
  get inputSize(): InputSize {
    return [this.preprocessing.crop, this.preprocessing.crop];
  }

  /** A class's name, or `class 7` where names are not known. */
  label(classId: number): string {
    return this.labels?.[classId] ?? `class ${classId}`;
  }

  /** Records a forward pass of an input [N,3,H,W], or of masked copies; see {@link Trace}. @throws ShapeError if the input is too small. */
  trace(
    recorder: Recorder,
    input: Value | Tensor | MaskedInput,
    options: TraceOptions = {},
  ): Trace {
    return this.traceFrom(recorder, { input }, options);
  }

  /** Records a forward pass that starts from the values of any nodes. */
  traceFrom(
    recorder: Recorder,
    feeds: Readonly<Record<string, Value | Tensor | MaskedInput>>,
    options: TraceOptions = {},
  ): Trace {
    const values: Record<string, Value | MaskedInput> = {};
    for (const name in feeds) {
      const feed = feeds[name];
      values[name] = feed instanceof MaskedInput ? feed : recorder.value(feed);
    }
    const { input } = values;
    if (input) {
      const [, C, H, W] = input.shape;
      const { minInput } = this.architecture;
      if (input.shape.length !== 4 || C !== 3 || H < minInput || W < minInput) {
        throw new ShapeError(
          `${this.name}: input [${input.shape}] should be [N,3,H,W] with H and W at least ${minInput}`,
        );
      }
    }
    const { storage } = this;
    const params = recorder.gpu && this.params;
    return new Trace(this.graph, recorder, params, values, { ...options, storage });
  }

  /** What a forward (and backward) pass of a batch costs, without running it or touching a device. */
  plan(batch = 1, options: PlanOptions = {}): RunPlan {
    const recorder = new Recorder(options.caps ?? this.caps);
    const [height, width] = options.inputSize ?? this.inputSize;
    const { taps = [], backwardTo = [], rules = gradient } = options;
    const trace = this.trace(recorder, placeholder([batch, 3, height, width]), {
      taps,
      backwardTo,
    });
    const outputs = [trace.output, ...taps.map((name) => trace.value(name))];
    if (backwardTo.length > 0) {
      const seed = placeholder(trace.output.shape);
      outputs.push(...trace.backward(this.graph.output, seed, backwardTo, rules).values());
    }
    return recorder.plan(outputs);
  }

  /** Every node with the shape of its output. */
  layers(inputSize: InputSize = this.inputSize): LayerInfo[] {
    const { features } = this.caps;
    const recorder = new Recorder({ ...coreCaps, features, limits: endless });
    const trace = this.trace(recorder, placeholder([1, 3, ...inputSize]));
    return this.graph.nodes.map((node) => {
      const { shape } = trace.value(node.name);
      const isMaps = node.kind !== 'input' && trace.maps(node.name) !== undefined;
      return {
        name: node.name,
        kind: node.kind,
        shape,
        params: Object.values(node.params).reduce(
          (sum, p) => sum + p.reduce((a, b) => a * b, 1),
          0,
        ),
        spatial: isMaps,
        isDefault: node.name === this.defaultLayer,
      };
    });
  }

  /** Frees the weights' GPU memory. Idempotent. */
  destroy(): void {
    this.params?.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}

function labelsFrom(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((l) => typeof l === 'string') ? list : undefined;
  } catch {
    return undefined; // labels are a courtesy of the file: numbers will do
  }
}
