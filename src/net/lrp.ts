import { LayerError } from '../errors.js';
import { multiply } from '../kernels/multiply.js';
import type { Node } from './graph.js';
import { derivative, kind, type Match, type Rule, type RuleSet } from './rules.js';
import {
  minus,
  one,
  type Parts,
  plus,
  same,
  shareOf,
  sharing,
  square,
  stabiliser,
  type Term,
} from './sharing.js';

/** x w where it is positive, and where it is negative. */
const positive: readonly Term[] = [
  { x: plus, w: plus, b: plus },
  { x: minus, w: minus },
];
const negative: readonly Term[] = [
  { x: plus, w: minus, b: minus },
  { x: minus, w: plus },
];

/**
 * LRP-epsilon: S. Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation", PLOS ONE
 * 2015, equation 58.
 *
 *   R[j] = sum over k of x[j] w[j,k] / (z[k] + epsilon sign(z[k])) R[k],   z = sum over j of x w, + b
 *
 * For convolutions and linear layers, as all rules of this file.
 */
export const epsilonRule = (epsilon = stabiliser): Rule =>
  sharing([{ terms: [{ x: same, w: same, b: same }] }], epsilon);

/** LRP-alpha-beta (Bach 2015, equation 60): alpha times the shares of what speaks for the result less beta times those of what speaks against it. */
export const alphaBetaRule = (alpha = 2, beta = 1): Rule =>
  sharing([
    { weight: alpha, terms: positive },
    { weight: -beta, terms: negative },
  ]);

/** LRP-z-plus (G. Montavon et al., Pattern Recognition 2017): shares of what speaks for the result, alpha = 1 and beta = 0. */
export const zPlusRule: Rule = sharing([{ terms: positive }]);

/**
 * LRP-gamma (G. Montavon et al., "Layer-Wise Relevance Propagation: An Overview", 2019), in the form for inputs and results of any sign: what agrees
 * with the result's sign counts 1 + gamma times.
 */
export const gammaRule = (gamma = 0.25): Rule => {
  const more: Parts = [1, gamma, 0, 0, 0];
  const less: Parts = [1, 0, gamma, 0, 0];
  return sharing([
    {
      sign: 1,
      terms: [
        { x: plus, w: more, b: more },
        { x: minus, w: less },
      ],
    },
    {
      sign: -1,
      terms: [
        { x: plus, w: less, b: less },
        { x: minus, w: more },
      ],
    },
  ]);
};

/** LRP-flat (S. Lapuschkin et al., 2017): every input that a result has gets the same. */
export const flatRule: Rule = sharing([{ terms: [{ x: one, w: one }] }]);

/** LRP-w-square (Montavon 2017): in proportion to the squares of the weights, the bias's among them. */
export const wSquareRule: Rule = sharing([{ terms: [{ x: one, w: square, b: square }] }]);

/**
 * LRP-z-box (Montavon 2017), for pixels of known bounds: in proportion to x w - low max(w, 0) - high min(w, 0).
 *
 * @param low smallest value that each channel of the input can have
 * @param high largest
 */
export const zBoxRule = (low: readonly number[], high: readonly number[]): Rule =>
  sharing([
    {
      terms: [
        { x: same, w: same },
        { x: { channels: low }, w: [0, -1, 0, 0, 0] },
        { x: { channels: high }, w: [0, 0, -1, 0, 0] },
      ],
    },
  ]);

/** Averages: each place gets its share of the mean; one that is 0 gets nothing, even where it is the only one. */
const averageRule: Rule = (trace, node, dy, needs, arrived) => {
  const [x, y] = [trace.value(node.inputs[0]), trace.value(node.name)];
  const s = shareOf(trace, dy, y);
  const [back] = derivative(trace, node, s, needs, arrived);
  return [trace.k(multiply, { a: x, b: back! })];
};

/** Sums of two: each gets its share. */
const sumRule: Rule = (trace, node, dy) => {
  const s = shareOf(trace, dy, trace.value(node.name));
  return node.inputs.map((input) => trace.k(multiply, { a: trace.value(input), b: s }));
};

const passes: Rule = (_trace, _node, dy) => [dy];

/** Batch norms are part of the convolution before them. */
const mergedRule: Rule = (trace, node, dy) => {
  if (trace.isFolded(node as Node<'batchNorm2d'>)) return [dy];
  throw new LayerError(
    `LRP: ${node.name} is not merged into ${node.inputs[0]}: choose a layer behind its activation`,
  );
};

/** Rows for every node that is no convolution or linear layer: activations pass relevance on, max-pooling gives it to the maximum. */
export const relevanceOfTheRest: RuleSet = [
  [kind('relu', 'dropout'), passes],
  [kind('flatten', 'concat', 'maxPool2d'), derivative],
  [kind('avgPool2d', 'adaptiveAvgPool2d'), averageRule],
  [kind('add'), sumRule],
  [kind('batchNorm2d'), mergedRule],
];

/** Matches convolutions of the pixels. */
export const firstConvolution: Match = (node) =>
  node.kind === 'conv2d' && node.inputs[0] === 'input';

/**
 * Which rules go by which name in {@link relevanceRules}: one for all layers, or, from the input to the output, `-flat` and `-box` for the first
 * convolution, `plus`, `gamma` and `alpha2-beta1` for the others, `epsilon` for linear layers.
 */
export const composites = [
  'epsilon-plus-flat',
  'epsilon-gamma-box',
  'epsilon-alpha2-beta1',
  'epsilon-plus',
  'epsilon',
  'z-plus',
  'alpha2-beta1',
  'gamma',
  'flat',
  'w-square',
] as const;

export type Composite = (typeof composites)[number];

export interface RelevanceOptions {
  /** Of the epsilon rule; default 1e-6. */
  readonly epsilon?: number;
  /** Of the gamma rule; default 0.25. */
  readonly gamma?: number;
  /** Bounds of each channel of the pixels, for the box. */
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** A named table of LRP rules, after zennit (C. J. Anders et al., 2021) where names agree. */
export function relevanceRules(
  name: Composite,
  { epsilon, gamma, low, high }: RelevanceOptions,
): RuleSet {
  const conv = kind('conv2d');
  const all = (rule: Rule): RuleSet => [[kind('conv2d', 'linear'), rule]];
  const dense: RuleSet[number] = [kind('linear'), epsilonRule(epsilon)];
  const tables: Readonly<Record<Composite, () => RuleSet>> = {
    'epsilon-plus-flat': () => [[firstConvolution, flatRule], [conv, zPlusRule], dense],
    'epsilon-gamma-box': () => [
      [firstConvolution, zBoxRule(low, high)],
      [conv, gammaRule(gamma)],
      dense,
    ],
    'epsilon-alpha2-beta1': () => [[conv, alphaBetaRule(2, 1)], dense],
    'epsilon-plus': () => [[conv, zPlusRule], dense],
    epsilon: () => all(epsilonRule(epsilon)),
    'z-plus': () => all(zPlusRule),
    'alpha2-beta1': () => all(alphaBetaRule(2, 1)),
    gamma: () => all(gammaRule(gamma)),
    flat: () => all(flatRule),
    'w-square': () => all(wSquareRule),
  };
  return [...tables[name](), ...relevanceOfTheRest];
}
