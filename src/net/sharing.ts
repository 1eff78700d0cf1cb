import { LayerError } from '../errors.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { add } from '../kernels/add.js';
import { addProduct } from '../kernels/add-product.js';
import { channelSlice } from '../kernels/channel-slice.js';
import { conv2d } from '../kernels/conv2d.js';
import { conv2dBackwardInput } from '../kernels/conv2d-backward-input.js';
import { linear } from '../kernels/linear.js';
import { linearBackwardInput } from '../kernels/linear-backward-input.js';
import { mixParts } from '../kernels/mix-parts.js';
import { relevanceShare } from '../kernels/relevance-share.js';
import { repeatRows } from '../kernels/repeat-rows.js';
import { rowRange } from '../kernels/row-range.js';
import type { Graph, Node } from './graph.js';
import { rowsOf } from './ops.js';
import { kind, type Rule } from './rules.js';
import type { Trace } from './trace.js';

/** What is added to denominators, with their sign: 0 is never divided by. */
export const stabiliser = 1e-6;

/** An element as a combination of itself, its positive part, its negative part, its square and 1. */
export type Parts = readonly [number, number, number, number, number];
export const same: Parts = [1, 0, 0, 0, 0];
export const plus: Parts = [0, 1, 0, 0, 0];
export const minus: Parts = [0, 0, 1, 0, 0];
export const square: Parts = [0, 0, 0, 1, 0];
export const one: Parts = [0, 0, 0, 0, 1];

/** One number a channel, in the place of the layer's input. */
export interface Constant {
  readonly channels: readonly number[];
}

/** The least or greatest of each image's elements, in the place of the layer's input. */
export interface Bound {
  readonly bound: 'least' | 'greatest';
}

/** Contributions x w of one kind; without `b` the bias takes no share. */
export interface Term {
  readonly x: Parts | Constant | Bound;
  readonly w: Parts;
  readonly b?: Parts;
}

/** Relevance shared in proportion to the contributions of some terms together. */
export interface Share {
  readonly weight?: number;
  /** Only where the layer's own result has this sign. */
  readonly sign?: 1 | -1;
  readonly terms: readonly Term[];
}

/** R / z, stabilised. @throws LayerError for 16-bit values, whose ratios of small numbers would be noise. */
export function shareOf(
  trace: Trace,
  r: Value,
  z: Value,
  { weight = 1, sign, epsilon = stabiliser }: Omit<Share, 'terms'> & { epsilon?: number } = {},
  gate?: Value,
): Value {
  checkPrecise(trace, 'LRP: relevance is divided by sums that nearly cancel');
  const c = trace.recorder.constant(Float32Array.of(weight, epsilon));
  return trace.k(relevanceShare, { r, z, c, gate: sign && gate }, { sign });
}

/** @throws LayerError for a pass of 16-bit values. */
export function checkPrecise({ storage }: Trace, why: string): void {
  if (storage === 'f32') return;
  throw new LayerError(`${why}, 16 bits do not do: load the network with storage f32`);
}

/** The rule that shares relevance in proportion to contributions x w. */
export function sharing(shares: readonly Share[], epsilon = stabiliser): Rule {
  return (trace, node, dy) => {
    const layer = layerOf(trace, node);
    const isPositive = isNonNegative(trace.graph, node.inputs[0]);
    const gate = shares.some(({ sign }) => sign)
      ? layer.apply(layer.input(same), same, same)
      : undefined;
    let relevance: Value | undefined;
    for (const { terms, ...share } of shares) {
      // Inputs without negative parts contribute none.
      const present = terms.filter(({ x }) => !(isPositive && x === minus));
      if (present.length === 0) continue;
      const inputs = present.map(({ x }) => layer.input(isPositive && x === plus ? same : x));
      const z = present
        .map(({ w, b }, i) => layer.apply(inputs[i], w, b))
        .reduce((a, b) => trace.k(add, { a, b }));
      const s = shareOf(trace, dy.reshape(z.shape), z, { ...share, epsilon }, gate);
      present.forEach(({ w }, i) => {
        const product = { a: inputs[i], b: layer.back(s, w) };
        const first = relevance === undefined;
        relevance = trace.k(addProduct, product, { first }, { into: relevance });
      });
    }
    const { shape, size } = trace.value(node.inputs[0]);
    relevance ??= trace.recorder.constant(new Float32Array(size)); // nothing shares
    return [relevance.reshape(shape)];
  };
}

/** Whether a node's output cannot be negative. */
function isNonNegative(graph: Graph, name: string): boolean {
  const node = graph.get(name);
  if (node.kind === 'relu') return true;
  const keepsSign = kind(
    'maxPool2d',
    'avgPool2d',
    'adaptiveAvgPool2d',
    'dropout',
    'flatten',
    'concat',
    'add',
  );
  return keepsSign(node, graph) && node.inputs.every((input) => isNonNegative(graph, input));
}

/** A value's shape, filled with the least or greatest element of each image. */
function extreme({ k }: Trace, x: Value, { bound }: Bound): Value {
  const N = x.shape[0];
  const copies = x.size / N;
  const range = k(rowRange, { x: x.reshape([N, copies]) }).reshape([N, 4, 1, 1]);
  const one = k(channelSlice, { x: range }, { k0: bound === 'least' ? 0 : 1, channels: 1 });
  return k(repeatRows, { x: one.reshape([N, 1]) }, { copies }).reshape(x.shape);
}

/** A layer that multiplies by weights, with parts of its weights and inputs in their place. */
interface Weighted {
  /** [M,C] for a linear layer, a row a token. */
  input(parts: Parts | Constant | Bound): Value;
  apply(x: Value, w: Parts, b: Parts | undefined): Value;
  /** The derivative of {@link apply} by x, times s. */
  back(s: Value, w: Parts): Value;
}

function layerOf(trace: Trace, node: Node): Weighted {
  const { k, recorder } = trace;
  const given = trace.value(node.inputs[0]);
  const x = node.kind === 'linear' ? rowsOf(given) : given;
  const known = new Map<Value | Tensor, Map<string, Value>>();
  /** Parts of a value, made once. */
  const mix = (of: Value | Tensor, parts: Parts): Value | Tensor => {
    if (parts === same) return of;
    const made = known.get(of) ?? new Map<string, Value>();
    known.set(of, made);
    const key = parts.join();
    let value = made.get(key);
    if (!value) {
      value = k(mixParts, { x: of, c: recorder.constant(Float32Array.from(parts)) });
      made.set(key, value);
    }
    return value;
  };
  const input: Weighted['input'] = (parts) => {
    if ('bound' in parts) return extreme(trace, given, parts).reshape(x.shape);
    if (!('channels' in parts)) return recorder.value(mix(x, parts));
    const [N, C] = x.shape;
    const size = x.size / (N * C);
    const data = new Float32Array(x.size);
    for (let i = 0; i < N * C; i++) data.fill(parts.channels[i % C], i * size, (i + 1) * size);
    return recorder.constant(data, x.shape);
  };
  if (node.kind === 'conv2d') {
    const conv = node as Node<'conv2d'>;
    const { w, b } = trace.weights(conv, trace.foldOf(conv));
    const inputSize = [x.shape[2], x.shape[3]] as const;
    return {
      input,
      apply: (from, parts, bias) =>
        k(conv2d, { x: from, w: mix(w, parts), b: b && bias && mix(b, bias) }, conv.options),
      back: (s, parts) =>
        k(conv2dBackwardInput, { dy: s, w: mix(w, parts) }, { ...conv.options, inputSize }),
    };
  }
  if (node.kind !== 'linear') {
    throw new LayerError(
      `LRP: the rule for ${node.name} (${node.kind}) is one for conv2d and linear: match these`,
    );
  }
  const runs = trace.rowRuns(node as Node<'linear'>);
  const kTotal = node.params.weight[0];
  return {
    input,
    apply: (from, parts, bias) => {
      const y = trace.blank([from.shape[0], kTotal]);
      for (const { first, w, b } of runs) {
        const reads = { x: from, w: mix(w, parts), b: b && bias && mix(b, bias) };
        k(linear, reads, { k0: first, kTotal }, { into: y });
      }
      return y;
    },
    back: (s, parts) => {
      let dx: Value | undefined;
      for (const { first, w } of runs) {
        const options = { k0: first, kTotal, accumulate: dx !== undefined };
        dx = k(linearBackwardInput, { dy: s, w: mix(w, parts) }, options, { into: dx });
      }
      return dx!;
    },
  };
}
