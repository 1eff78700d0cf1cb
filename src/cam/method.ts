import { LayerError } from '../errors.js';
import type { Recorder } from '../gpu/recorder.js';
import type { Value } from '../gpu/value.js';
import type { Net } from '../net/net.js';
import type { Trace } from '../net/trace.js';
import type { Seed, Target, TargetPart } from './target.js';

/** An option of a method: its default (whose type it has), and what it does. */
export interface OptionSpec {
  readonly default: number | string | boolean;
  /** Allowed words, for a string option. */
  readonly choices?: readonly string[];
  /** Whether fractions are refused; default: if the default is a whole number. */
  readonly whole?: boolean;
  /** Smallest allowed number. */
  readonly min?: number;
  readonly about: string;
}

export type OptionValues = Readonly<Record<string, number | string | boolean>>;

/** What a method is given: a network, an input, layers, and one part of the target. */
export interface Scene {
  readonly recorder: Recorder;
  readonly net: Net;
  /** [N,3,H,W] */
  readonly input: Value;
  /** Layers to explain; one for all methods that do not say otherwise. */
  readonly layers: readonly string[];
  readonly target: Target;
  readonly part: TargetPart;
  /** The forward pass of `input`, recorded once. */
  readonly trace: Trace;
  /** A forward pass of another input of the same shape (a noisy copy, ...). */
  retrace(input: Value): Trace;
  /** Value and derivative of the target's part on a forward pass. */
  seed(trace: Trace): Seed;
  /** One-hot rows [N,classes] of the class that each image is explained for. @throws TargetError if the target is no class. */
  choice(): Value;
  /** What one batch of masked copies may take on the GPU, bytes. */
  readonly memoryBytes: number;
}

/** A saliency method: from a scene to its raw map. */
export interface Method {
  /** Its name in the command and the registry: `grad-cam`. */
  readonly name: string;
  readonly title: string;
  readonly paper: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** How many layers it explains: none (it explains the input), one, or any number. */
  readonly layers: 'none' | 'one' | 'many';
  /** What becomes of the raw map before it is stretched to 0..1: negative values dropped, or magnitudes over channels. */
  readonly finish: 'relu' | 'magnitude';
  /** Passes through the network it takes: one, several (noisy copies), or many (a masked copy a channel). */
  readonly passes: 'one' | 'several' | 'many';
  /** Whether the raw map depends on the target. */
  readonly usesTarget: boolean;
  /** Records the raw map: [N,h,w] at the layer's size, or [N,C,H,W] where `finish` is `magnitude`. */
  record(scene: Scene, options: OptionValues): Value;
}

/** Activations A and gradients G = d target / d A at one layer, [N,K,h,w]. */
export interface Features {
  readonly A: Value;
  readonly G: Value;
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

/** Activations of a layer. @throws LayerError if they are not a stack of maps. */
export function activationsAt(trace: Trace, layer: string): Value {
  const A = trace.value(layer);
  if (A.shape.length !== 4) {
    throw new LayerError(
      `layer ${layer} gives [${A.shape}], should be feature maps [N,K,h,w]: choose a convolution, activation or pooling`,
    );
  }
  return A;
}

/** Activations and gradients of a layer. @throws LayerError if the target does not depend on it. */
export function featuresAt(scene: Scene, trace: Trace, layer: string): Features {
  const A = activationsAt(trace, layer);
  const from = scene.target.node ?? scene.net.graph.output;
  const { dy } = scene.seed(trace);
  return { A, G: trace.backward(from, dy, [layer]).get(layer)! };
}
