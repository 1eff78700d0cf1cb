import { TargetError } from '../errors.js';
import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { cosineGradient } from '../kernels/cosine-gradient.js';
import { oneHot } from '../kernels/one-hot.js';
import { rowDot } from '../kernels/row-dot.js';
import { softmax } from '../kernels/softmax.js';
import { softmaxBackward } from '../kernels/softmax-backward.js';
import { topK } from '../kernels/top-k.js';

/** A scalar's value and its derivative by the node it is defined on: where a backward pass starts. */
export interface Seed {
  /** [N] */
  readonly score: Value;
  /** d score / d y, of y's shape. */
  readonly dy: Value;
}

/**
 * What is explained: a scalar of the logits [N,classes], or of another node's output, for each image of the batch.
 *
 * Most have one part. A target of several parts gets one map a part, and the finished maps are added with the parts' weights.
 * A target of one's own is an object of this shape; its `seed` records kernels.
 */
export interface Target {
  /** For results: `class 281`, `probability of class 281`, ... */
  readonly description: string;
  /** Node it is defined on; default the network's output. */
  readonly node?: string;
  readonly parts: readonly TargetPart[];
}

export interface TargetPart {
  readonly weight: number;
  /**
   * Checks that the target fits and records its value and derivative.
   *
   * @param chosen one-hot rows [N,classes] of {@link choose}, made on the images as they are: y may be of noisy copies of them, or of windows
   * @throws TargetError
   */
  seed(recorder: Recorder, y: Value, chosen?: Value): Seed;
  /** Whether the score is a sum over the elements of y, each times a number that does not depend on y: what relevance can begin with. */
  readonly isLinear?: boolean;
  /** One-hot rows [N,classes] of the class it is about, for methods that score other images; missing if it is about no single class. */
  choose?(recorder: Recorder, y: Value): Value;
}

/** Which class: an index, or `top: r` for the one predicted with rank r (0 the most likely). */
export type ClassChoice = number | { readonly top: number };

/** One choice for all images, or a list with one for each. */
export type ClassChoices = ClassChoice | readonly ClassChoice[];

const predicted: ClassChoice = { top: 0 };

/** The logit of a class. @throws TargetError when recorded, if there is no such class or the list does not fit the batch. */
export function classTarget(classes: ClassChoices = predicted): Target {
  return {
    description: describe(classes),
    parts: [classPart(1, classes)],
  };
}

/** The softmax probability of a class. */
export function probabilityTarget(classes: ClassChoices = predicted): Target {
  return {
    description: `probability of ${describe(classes)}`,
    parts: [
      {
        weight: 1,
        choose: (r, y) => selection(r, y, classes),
        seed: (r, y, chosen) => {
          const p = r.k(softmax, { x: y });
          const one = chosen ?? selection(r, y, classes);
          return {
            score: r.k(rowDot, { a: p, b: one }),
            dy: r.k(softmaxBackward, { dy: one, y: p }),
          };
        },
      },
    ],
  };
}

/** Several classes: each one's finished map, added with the weights. */
export function weightedTarget(
  classes: readonly { readonly choice: ClassChoices; readonly weight: number }[],
): Target {
  if (classes.length === 0)
    throw new TargetError('weightedTarget: no class given: name at least one');
  return {
    description: classes.map((c) => `${c.weight} x ${describe(c.choice)}`).join(' + '),
    parts: classes.map(({ choice, weight }) => classPart(weight, choice)),
  };
}

/** Weights of the five most likely classes in {@link topFiveTarget}. */
export const topFiveWeights = [3, 2, 1.5, 1, 1] as const;

/** The five most likely classes with weights 3, 2, 1.5, 1, 1 (fewer if the network has fewer classes). */
export function topFiveTarget(classes = 5): Target {
  const weights = topFiveWeights.slice(0, Math.min(5, classes));
  return weightedTarget(weights.map((weight, top) => ({ choice: { top }, weight })));
}

/** A linear combination of the logits: one coefficient a class, e.g. 1 and -1 for "why this rather than that". */
export function linearTarget(coefficients: Float32Array): Target {
  return {
    description: 'linear combination of the logits',
    parts: [
      {
        weight: 1,
        isLinear: true,
        seed: (r, y) => {
          const [N, C] = y.shape;
          if (y.shape.length !== 2 || coefficients.length !== C) {
            throw new TargetError(
              `linearTarget: ${coefficients.length} coefficients, should be one for each of the ${C} classes`,
            );
          }
          const rows = new Float32Array(N * C);
          for (let n = 0; n < N; n++) rows.set(coefficients, n * C);
          const dy = r.constant(rows, [N, C]);
          return { score: r.k(rowDot, { a: y, b: dy }), dy };
        },
      },
    ],
  };
}

/** Cosine similarity of a node's output, flattened, to the features of another image. */
export function cosineTarget(node: string, features: Tensor | Float32Array): Target {
  return {
    description: `cosine similarity of ${node} to given features`,
    node,
    parts: [
      {
        weight: 1,
        seed: (r, y) => {
          const size = y.size / y.shape[0];
          const given = features instanceof Float32Array ? features.length : features.size;
          if (given !== size) {
            throw new TargetError(
              `cosineTarget: ${given} features, should be ${size} as ${node} has`,
            );
          }
          const f =
            features instanceof Float32Array ? r.constant(features) : features.reshape([size]);
          const { score, dx } = r.k(cosineGradient, { x: y.reshape([y.shape[0], size]), f });
          return { score, dy: dx.reshape(y.shape) };
        },
      },
    ],
  };
}

/** The part of a target that is the logit of a class. */
const classPart = (weight: number, classes: ClassChoices): TargetPart => ({
  weight,
  isLinear: true,
  choose: (r, y) => selection(r, y, classes),
  seed: (r, y, chosen) => {
    const dy = chosen ?? selection(r, y, classes);
    return { score: r.k(rowDot, { a: y, b: dy }), dy };
  },
});

/** One-hot rows [N,C] of the chosen classes. */
function selection(r: Recorder, y: Value, classes: ClassChoices): Value {
  if (y.shape.length !== 2)
    throw new TargetError(`target: the output [${y.shape}] should be [N,classes]`);
  const [N, C] = y.shape;
  const list: readonly ClassChoice[] = isList(classes) ? classes : new Array(N).fill(classes);
  if (list.length !== N) {
    throw new TargetError(
      `target: ${list.length} classes for ${N} images: give one for all, or one for each`,
    );
  }
  for (const choice of list) {
    const index = typeof choice === 'number' ? choice : choice.top;
    const what = typeof choice === 'number' ? 'class' : 'rank';
    const end = typeof choice === 'number' ? C : Math.min(C, 16);
    if (!Number.isInteger(index) || index < 0 || index >= end) {
      throw new TargetError(`target: ${what} ${index} is out of range: there are 0 .. ${end - 1}`);
    }
  }
  const ranks = list.map((choice) => (typeof choice === 'number' ? -1 : choice.top));
  if (ranks.every((rank) => rank < 0)) {
    return r.k(
      oneHot,
      { classes: r.constant(Uint32Array.from(list as number[]), [N, 1]) },
      { classes: C },
    );
  }
  if (ranks.some((rank) => rank !== ranks[0])) {
    throw new TargetError(
      'target: the images of a batch should all name a class, or all the same rank',
    );
  }
  const { indices } = r.k(topK, { x: y }, { k: ranks[0] + 1 });
  return r.k(oneHot, { classes: indices }, { classes: C, column: ranks[0] });
}

const isList = (classes: ClassChoices): classes is readonly ClassChoice[] => Array.isArray(classes);

function describe(classes: ClassChoices): string {
  if (isList(classes)) return `classes ${classes.map(describe).join(', ')}`;
  if (typeof classes === 'number') return `class ${classes}`;
  return classes.top === 0 ? 'predicted class' : `class of rank ${classes.top + 1}`;
}
