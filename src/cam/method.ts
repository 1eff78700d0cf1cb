import { LayerError } from '../errors.js';
import type { Recorder } from '../gpu/recorder.js';
import type { Value } from '../gpu/value.js';
import type { Graph } from '../net/graph.js';
import type { Net } from '../net/net.js';
import type { Trace } from '../net/trace.js';
import type { Profile } from './profiles.js';
import type { Seed, Target, TargetPart } from './target.js';

/** An option of a method: its default (whose type it has), and what it does. */
export interface OptionSpec {
  readonly default: number | string | boolean;
  /** Allowed words, for a string option. */
  readonly choices?: readonly string[];
  /** Whether fractions are refused; default: if the default is a whole number. */
  readonly whole?: boolean;
  /** Smallest allowed number, and largest. */
  readonly min?: number;
  readonly max?: number;
  /** What a number must be more than. */
  readonly above?: number;
  readonly about: string;
}

export type OptionValues = Readonly<Record<string, number | string | boolean>>;

/** What a method is given: a network, an input, layers, and one part of the target. */
export interface Scene {
  readonly recorder: Recorder;
  readonly net: Net;
  /** [N,3,H,W] */
  readonly input: Value;
  /** For each image the first that is the same picture: another than itself where a photo is given more than once, for several classes. */
  readonly pictures: readonly number[];
  /** Layers to explain; one for all methods that do not say otherwise. */
  readonly layers: readonly string[];
  readonly target: Target;
  readonly part: TargetPart;
  /** The forward pass of `input`, recorded once. */
  readonly trace: Trace;
  /** A forward pass of another input of as many images (a noisy copy, another size, ...). */
  retrace(input: Value): Trace;
  /** Value and derivative of the target's part on a forward pass; "the predicted class" is that of `input`, whatever the pass is of. */
  seed(trace: Trace): Seed;
  /** One-hot rows [N,classes] of the class that each image is explained for. @throws TargetError if the target is no class. */
  choice(): Value;
  /**
   * The same question about other images: `copies` of them for each image here, next to each other, for that image's class. Without `demanding`
   * what they demand counts for nothing: for further copies, of images whose first ones were asked before.
   */
  on(input: Value, copies: number, demanding?: boolean): Scene;
  /**
   * Noise for the images, as `addNoise` reads it: the same for the same name and deviation, but another on images that {@link noisy} has given noise
   * already, which would otherwise get the same once more.
   */
  noise(name: string, sigma: number): Value;
  /** The same question about the images with that noise. */
  noisy(name: string, sigma: number): Scene;
  /** The same images and forward pass, other layers or another target. */
  about(other: { readonly layers?: readonly string[]; readonly target?: Target }): Scene;
  /**
   * From a method's raw map to its finished amounts [N,H,W] at the input's size, to be added to others': in 0..1, or in -1..1 if it
   * {@link isSigned}; what is not finite stays so.
   */
  amounts(method: Method, raw: Value): Value;
  /** Lets the explanation fail, once it has run, if an image's element of `value` is not positive: `error` makes what is thrown. Of copies of an image the first counts. */
  demand(value: Value, error: (image: number) => Error): void;
  /** Puts a number for each image, [N], beside the map: into its summary, under this name. Of copies of the images nothing is reported. */
  report(name: string, value: Value): void;
  /** Whose conventions are followed: for methods that give others their options. */
  readonly profile: Profile;
  /** What one batch of masked copies may take on the GPU, bytes. */
  readonly memoryBytes: number;
}

/** A saliency method: from a scene to its raw map. */
export interface Method {
  /** Its name in the command and the registry: `grad-cam`. */
  readonly name: string;
  /** Name of the method it wraps, if it does. */
  readonly base?: string;
  readonly title: string;
  readonly paper: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Sets of options by name, given as option `preset`: as an author's program has them, say. */
  readonly presets?: Readonly<Record<string, OptionValues>>;
  /** How many layers it explains: none (it explains the input), one, or any number. */
  readonly layers: 'none' | 'one' | 'many';
  /**
   * What becomes of the raw map before it is stretched to 0..1: negative values dropped; the largest magnitude over channels; the sum over channels,
   * which keeps its sign (see {@link isSigned}); or nothing.
   */
  readonly finish: 'relu' | 'magnitude' | 'signed' | 'none';
  /** Passes through the network it takes: one, several (noisy copies), or many (a masked copy a channel). */
  readonly passes: 'one' | 'several' | 'many';
  /** Whether the raw map depends on the target. */
  readonly usesTarget: boolean;
  /** Whether, with these options, its map is the same for a class's probability as for its logit, and not by the probability; default no. */
  readonly ignoresProbability?: (options: OptionValues) => boolean;
  /** Whether it can explain a network; default any. For others it is a LayerError. */
  readonly suits?: (graph: Graph) => boolean;
  /** Nodes whose own output it asks for beside its layers: they are not merged into what follows them. */
  readonly taps?: (graph: Graph) => readonly string[];
  /** Records the raw map: [N,h,w] at the layer's size, or [N,C,H,W] where `finish` is `magnitude` or `signed`. */
  record(scene: Scene, options: OptionValues): Value;
}

/**
 * Whether a method's finished map has a sign: 1/2 is 0, what is above speaks for the target, what is below against it, and the largest magnitude
 * reaches 0 or 1. All others run from least to most.
 */
export const isSigned = ({ finish }: Method): boolean => finish === 'signed';

/** Whether a method explains the pixels themselves, each of their channels. */
export const isOfPixels = ({ finish }: Method): boolean =>
  finish === 'magnitude' || finish === 'signed';

/** Activations A and gradients G = d target / d A at one layer, [N,K,h,w]. */
export interface Features {
  readonly A: Value;
  readonly G: Value;
}

/** A wrapper's options beside those of the method it wraps, and who gets which. */
export interface WrapperOptions {
  readonly options: Method['options'];
  /** The wrapper's values, by their own names. */
  own(values: OptionValues): OptionValues;
  /** The values of the wrapped method's options. */
  inner(values: OptionValues): OptionValues;
}

/**
 * The options of a method and of its wrapper together. A name that the method has already gets the prefix, as often as it takes: `stride` becomes
 * `windowStride`, and in windows of windows of such a method `windowWindowStride`.
 */
export function wrapperOptions(
  method: Method,
  specs: Readonly<Record<string, OptionSpec>>,
  prefix: string,
): WrapperOptions {
  const nameOf = (name: string): string =>
    Object.hasOwn(method.options, name)
      ? nameOf(`${prefix}${name[0].toUpperCase()}${name.slice(1)}`)
      : name;
  const pick = (values: OptionValues, names: readonly (readonly [string, string])[]) =>
    Object.fromEntries(names.map(([to, from]) => [to, values[from]]));
  return {
    options: {
      ...method.options,
      ...Object.fromEntries(Object.entries(specs).map(([name, spec]) => [nameOf(name), spec])),
    },
    own: (values) =>
      pick(
        values,
        Object.keys(specs).map((name) => [name, nameOf(name)] as const),
      ),
    inner: (values) =>
      pick(
        values,
        Object.keys(method.options).map((name) => [name, name] as const),
      ),
  };
}

type Description = Pick<Method, 'name' | 'title' | 'paper'> & { options?: Method['options'] };

/** A method that weights the activations of one layer by their gradients: the formula is all it has to give. */
export function fromGradients(
  description: Description,
  formula: (k: Recorder['k'], features: Features, options: OptionValues) => Value,
): Method {
  return {
    options: {},
    layers: 'one',
    finish: 'relu',
    passes: 'one',
    usesTarget: true,
    ...description,
    record: (scene, options) =>
      formula(scene.recorder.k, featuresAt(scene, scene.trace, scene.layers[0]), options),
  };
}

/** A value of zeros: the black image (of the mean colour, in normalised terms), scores of nothing. */
export function zeros(recorder: Recorder, shape: readonly number[]): Value {
  return recorder.constant(new Float32Array(shape.reduce((a, b) => a * b)), shape);
}

/** Activations of a layer [N,K,h,w]; of tokens, those of patches in their grid. @throws LayerError if they are not a stack of maps. */
export function activationsAt(trace: Trace, layer: string): Value {
  const A = trace.maps(layer);
  if (!A) {
    throw new LayerError(
      `layer ${layer} gives [${trace.value(layer).shape}], should be feature maps [N,K,h,w] or tokens of patches: choose a convolution, activation or pooling, or a block`,
    );
  }
  return A;
}

/** Activations and gradients of a layer. @throws LayerError if the target does not depend on it. */
export function featuresAt(scene: Scene, trace: Trace, layer: string): Features {
  const A = activationsAt(trace, layer);
  const from = scene.target.node ?? scene.net.graph.output;
  const { dy } = scene.seed(trace);
  const G = trace.asMaps(layer, trace.backward(from, dy, [layer]).get(layer)!)!;
  return { A, G };
}
