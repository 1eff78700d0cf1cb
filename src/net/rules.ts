import { LayerError } from '../errors.js';
import type { Value } from '../gpu/value.js';
import { positiveReluBackward } from '../kernels/positive-relu-backward.js';
import type { Graph, Node, OpKind } from './graph.js';
import { type Op, ops } from './ops.js';
import type { Trace } from './trace.js';

/**
 * How a node passes back what arrives at its output: values for those inputs that `needs` names. `arrived` is what other nodes have passed back to
 * an input so far; a rule may write its part into that and return it, instead of a value to be added.
 */
export type Rule = (
  trace: Trace,
  node: Node,
  dy: Value,
  needs: (input: number) => boolean,
  arrived: (input: number) => Value | undefined,
) => readonly (Value | undefined)[];

export type Match = (node: Node, graph: Graph) => boolean;

/** Which rule which nodes get: the first row that matches counts; a node that none matches is an error. */
export type RuleSet = readonly (readonly [match: Match, rule: Rule])[];

/** Matches every node. */
export const any: Match = () => true;

/** Matches nodes of these kinds. */
export const kind =
  (...kinds: OpKind[]): Match =>
  (node) =>
    kinds.includes(node.kind);

/** The derivative, from the table of operations. */
export const derivative: Rule = (trace, node, dy, needs, arrived) =>
  (ops[node.kind] as unknown as Op<OpKind>).gradient(trace, node, dy, needs, arrived);

/** Plain backpropagation. */
export const gradient: RuleSet = [[any, derivative]];

/**
 * Guided backpropagation: J. T. Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR 2015 workshop, section 3.4. A
 * ReLU passes on what is above 0, where its input is above 0; the rest is the gradient.
 */
export const guided: RuleSet = [
  [
    kind('relu'),
    (trace, node, dy) => [trace.k(positiveReluBackward, { dy, y: trace.value(node.name) })],
  ],
  [any, derivative],
];

/**
 * The deconvnet: M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 2.1. A ReLU passes on what is
 * above 0, whatever its input was; max-pooling goes back to where its maximum was, the rest is the gradient.
 */
export const deconv: RuleSet = [
  [kind('relu'), (trace, _node, dy) => [trace.k(positiveReluBackward, { dy })]],
  [any, derivative],
];

/** @throws LayerError that names the node if no row matches. */
export function ruleFor(rules: RuleSet, node: Node, graph: Graph): Rule {
  const row = rules.find(([match]) => match(node, graph));
  if (!row) {
    throw new LayerError(
      `backward: no rule for ${node.name} (${node.kind}): add a row that matches it`,
    );
  }
  return row[1];
}
