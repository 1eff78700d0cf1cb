import { LayerError } from '../errors.js';
import type { Value } from '../gpu/value.js';
import { add } from '../kernels/add.js';
import {
  attentionKeyGradient,
  attentionProbabilitiesGradient,
  attentionQueryGradient,
  attentionScores,
  attentionValueGradient,
} from '../kernels/attention-products.js';
import { branchFactors } from '../kernels/branch-factors.js';
import { branchRelevance } from '../kernels/branch-relevance.js';
import { mixParts } from '../kernels/mix-parts.js';
import { multiply } from '../kernels/multiply.js';
import { multiplyColumns } from '../kernels/multiply-columns.js';
import { patchesToTokens, patchesToTokensBackward } from '../kernels/patches-to-tokens.js';
import { repeatRows } from '../kernels/repeat-rows.js';
import type { Graph, Node } from './graph.js';
import { firstConvolution } from './lrp.js';
import { rowsOf, tokenParts } from './ops.js';
import { derivative, kind, type Rule, type RuleSet } from './rules.js';
import { minus, plus, same, shareOf, sharing, type Term } from './sharing.js';
import type { Trace } from './trace.js';

/** Added to denominators, as the authors' program does. */
const epsilon = 1e-9;

/** Named tables for transformers; see {@link transformerRules}. */
export const transformerComposites = ['transformer', 'transformer-orig'] as const;

export type TransformerComposite = (typeof transformerComposites)[number];

/** Contributions that speak for the result, without biases. */
const positive: readonly Term[] = [
  { x: plus, w: plus },
  { x: minus, w: minus },
];

/** LRP-alpha-beta with alpha = 1: shares of what speaks for the result; inputs of any sign. */
const linearRule: Rule = sharing([{ terms: positive }], epsilon);

/** Positive inputs and negative ones share the whole relevance each, so that it doubles. */
const doublingRule: Rule = sharing(
  positive.map((term) => ({ terms: [term] })),
  epsilon,
);

/** z-box for pixels, their bounds the least and greatest of the image: relevance in proportion to x w - least w+ - greatest w-. */
const pixelRule: Rule = sharing(
  [
    {
      terms: [
        { x: same, w: same },
        { x: { bound: 'least' }, w: [0, -1, 0, 0, 0] },
        { x: { bound: 'greatest' }, w: [0, 0, -1, 0, 0] },
      ],
    },
  ],
  epsilon,
);

/** How the relevance of a + b is shared between two branches. */
type Split = (trace: Trace, a: Value, b: Value, r: Value) => readonly [Value, Value];

/** In proportion to a and b, place by place; then each branch is scaled to its share of the whole (equations 7 and 8): residual paths conserve. */
const splitByShare: Split = ({ k }, a, b, r) => {
  const rows = (x: Value) => x.reshape([x.shape[0], x.size / x.shape[0]]);
  const reads = { a: rows(a), b: rows(b), r: rows(r) };
  const { ra, rb } = k(branchRelevance, { ...reads, f: k(branchFactors, reads) });
  return [ra.reshape(a.shape), rb.reshape(a.shape)];
};

/** In proportion to a and b, place by place. */
const splitPlainly: Split = (trace, a, b, r) => {
  const s = shareOf(trace, r, trace.k(add, { a, b }), { epsilon });
  return [trace.k(multiply, { a, b: s }), trace.k(multiply, { a: b, b: s })];
};

/** Sums of two (and means of two, which share alike). */
const sumRule =
  (split: Split): Rule =>
  (trace, node, dy) => {
    if (node.inputs.length !== 2) {
      throw new LayerError(
        `LRP: the rule for ${node.name} (${node.kind}) shares between two inputs, it has ${node.inputs.length}`,
      );
    }
    const [a, b] = node.inputs.map((input) => trace.value(input));
    return split(trace, a, b, dy);
  };

/** Tokens and their positions share; what positions and class tokens get ends there. */
const tokensRule =
  (split: Split): Rule =>
  (trace, node, dy) => {
    const { k, recorder } = trace;
    const x = trace.value(node.inputs[0]);
    const [N, T, D] = dy.shape;
    const { cls, pos } = tokenParts(trace, node as Node<'patchTokens'>);
    const nowhere = recorder.constant(new Float32Array(T * D), [T, D]);
    const tokens = k(patchesToTokens, { x, cls, pos: nowhere });
    const one = recorder.value(pos).reshape([1, T * D]);
    const positions = k(repeatRows, { x: one }, { copies: N }).reshape(dy.shape);
    const [ofTokens] = split(trace, tokens, positions, dy);
    return [patchesToTokensBackward(recorder, ofTokens, { grid: [x.shape[2], x.shape[3]] })];
  };

/**
 * Probabilities times values: half of the relevance goes to each, in proportion to the products. v's columns are written here, those of q and k by
 * the rule for the probabilities.
 */
const outputRule: Rule = (trace, node, dy, needs) => {
  const { k } = trace;
  const [p, qkv] = node.inputs.map((input) => trace.value(input));
  const s = shareOf(trace, dy, trace.value(node.name), { weight: 0.5, epsilon });
  const heads = p.shape[1];
  const ofMap = needs(0)
    ? k(multiply, { a: p, b: k(attentionProbabilitiesGradient, { a: s, b: qkv }, { heads }) })
    : undefined;
  if (!needs(1)) return [ofMap, undefined];
  const D = dy.shape[2];
  const gradient = k(attentionValueGradient, { a: p, b: s });
  const reads = { a: rowsOf(qkv), b: rowsOf(gradient) };
  const into = trace.blank(qkv.shape);
  k(multiplyColumns, reads, { first: 2 * D, count: D }, { into });
  return [ofMap, into];
};

/** Probabilities give to scores what they get; queries times keys: half of it goes to each, in proportion to the products. */
const mapRule: Rule = (trace, node, dy, _needs, arrived) => {
  const { k } = trace;
  const qkv = trace.value(node.inputs[0]);
  const heads = dy.shape[1];
  const scores = k(attentionScores, { a: qkv, b: qkv }, { heads });
  const s = shareOf(trace, dy, scores, { weight: 0.5, epsilon });
  const gradient = k(attentionQueryGradient, { a: s, b: qkv });
  k(attentionKeyGradient, { a: s, b: qkv }, {}, { into: gradient });
  const nothing = () => k(mixParts, { x: qkv, c: trace.recorder.constant(new Float32Array(5)) });
  const into = arrived(0) ?? nothing();
  const reads = { a: rowsOf(qkv), b: rowsOf(gradient) };
  k(multiplyColumns, reads, { count: (2 * qkv.shape[2]) / 3 }, { into });
  return [into];
};

const passes: Rule = (_trace, _node, dy) => [dy];

/**
 * Relevance through a vision transformer: H. Chefer, S. Gur, L. Wolf, "Transformer Interpretability Beyond Attention Visualization", CVPR 2021.
 *
 * `transformer` is the paper's: linear layers share by what speaks for the result (without biases), products of two inputs give half to each,
 * residual sums are scaled by their branches' shares so that relevance is conserved, softmax, layer norm and GELU pass it on, the pixels are a
 * box. `transformer-orig` is what the authors compare it with (their program's `ViT_orig_LRP`): sums are not scaled, and linear layers share the
 * relevance among positive inputs and once more among negative ones: it is not conserved and may run away. Relevance of the output is what the
 * pass begins with: 1 at the class in the authors' program.
 *
 * A node of another kind is an error with its name.
 */
export function transformerRules(name: TransformerComposite): RuleSet {
  const [linear, split] =
    name === 'transformer' ? [linearRule, splitByShare] : [doublingRule, splitPlainly];
  return [
    [firstConvolution, pixelRule],
    [kind('linear'), linear],
    [kind('add', 'mean'), sumRule(split)],
    [kind('patchTokens'), tokensRule(split)],
    [kind('attentionOutput'), outputRule],
    [kind('attentionMap'), mapRule],
    [kind('layerNorm', 'gelu', 'dropout'), passes],
    [kind('token'), derivative],
  ];
}

/** Whether relevance rules of this name are for transformers. */
export const isTransformerComposite = (name: string): name is TransformerComposite =>
  (transformerComposites as readonly string[]).includes(name);

/** Names of the nodes that hold a network's attention [N,HEADS,T,T], from the first block to the last. */
export const attentionMapsOf = (graph: Graph): readonly string[] =>
  graph.nodes.filter(({ kind }) => kind === 'attentionMap').map(({ name }) => name);
