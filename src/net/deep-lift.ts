import type { Value } from '../gpu/value.js';
import { maxPool2d } from '../kernels/max-pool2d.js';
import { rescaleGelu } from '../kernels/rescale-gelu.js';
import { rescaleMaxPool2d } from '../kernels/rescale-max-pool2d.js';
import { rescaleRelu } from '../kernels/rescale-relu.js';
import type { Graph, Node } from './graph.js';
import { any, derivative, kind, type Rule, type RuleSet } from './rules.js';
import { checkPrecise } from './sharing.js';
import type { Trace } from './trace.js';

/**
 * DeepLIFT's rescale rule: A. Shrikumar, P. Greenside, A. Kundaje, "Learning Important Features Through Propagating Activation Differences", ICML
 * 2017, section 3.5.1. What a pass under it gives at a node are multipliers m: sum of m (x - x0) = score(x) - score(x0), x0 the node's value in the
 * reference's forward pass.
 *
 * ReLU and GELU pass on dy (y - y0) / (x - x0), max-pooling what `rescaleMaxPool2d` says. Everything else passes on its gradient: exact for layers
 * that are linear (convolution, linear, batch norm, averages, sums, concatenation), the slope at x only for layer norm, softmax and the products
 * of attention, over which the sum above does not hold.
 *
 * @param reference forward pass of the reference, of as many images, on the same recorder
 * @param pooling whether max-pooling follows the rule (default) or passes on its gradient, over which the sum does not hold
 * @throws LayerError for 16-bit values
 */
export function deepLift(
  reference: Trace,
  { pooling = 'rescale' }: { readonly pooling?: 'rescale' | 'gradient' } = {},
): RuleSet {
  checkPrecise(reference, 'DeepLIFT: divides differences of values that are nearly the same');
  const inputs = (trace: Trace, { inputs: [name] }: Node) => ({
    x: trace.value(name),
    x0: reference.value(name),
  });
  const pool: Rule = (trace, node, dy) => {
    const { x, x0 } = inputs(trace, node);
    const positions = positionsOf(trace, node as Node<'maxPool2d'>, x);
    const positions0 = positionsOf(reference, node as Node<'maxPool2d'>, x0);
    const inputSize = [x.shape[2], x.shape[3]] as const;
    const { options } = node as Node<'maxPool2d'>;
    const reads = { dy, x, positions, x0, positions0 };
    return [trace.k(rescaleMaxPool2d, reads, { ...options, inputSize })];
  };
  return [
    [kind('relu'), (trace, node, dy) => [trace.k(rescaleRelu, { dy, ...inputs(trace, node) })]],
    [kind('gelu'), (trace, node, dy) => [trace.k(rescaleGelu, { dy, ...inputs(trace, node) })]],
    [kind('maxPool2d'), pooling === 'rescale' ? pool : derivative],
    [any, derivative],
  ];
}

/** Nodes whose values the rules read beside those of a plain gradient: inputs of activations, which are merged into them if nobody asks. */
export const deepLiftTaps = (graph: Graph): readonly string[] =>
  graph.nodes.filter((node) => kind('relu', 'gelu')(node, graph)).map(({ inputs }) => inputs[0]);

/** Where the maxima are, kept on the way forward if the pass was made for going back. */
function positionsOf(trace: Trace, node: Node<'maxPool2d'>, x: Value): Value {
  return trace.saved(node, 'positions') ?? trace.k(maxPool2d, { x }, node.options).positions;
}
