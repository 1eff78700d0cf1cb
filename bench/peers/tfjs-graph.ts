import type * as tfc from '@tensorflow/tfjs-core';
import { pair } from '../../src/kernels/conv-shape.js';
import { type Node, type OpKind, type OpOptions, paramName } from '../../src/net/graph.js';
import { type Material, transposed } from './material.js';
import type { Steps } from './steps.js';

export type Tf = typeof tfc;

/** A value of each node, by name. */
export type Values = Map<string, tfc.Tensor>;

/** Computes one node from what is there. */
export type Call = (values: Values) => tfc.Tensor;

/** A network in TensorFlow.js, maps as [N,H,W,C], as its models have them. */
export interface TfProgram {
  /** Computes the nodes between two layers. @param values is filled with what they give */
  run(values: Values, from?: string, to?: string): tfc.Tensor;
  dispose(): void;
}

/** Weights in the library's layouts, without a device. */
export interface TfWeights {
  readonly [name: string]: { readonly data: Float32Array; readonly shape: readonly number[] };
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Numbers of maps [N,C,H,W] as [N,H,W,C]. */
export function channelsLast(values: Float32Array, shape: readonly number[]): Float32Array {
  const [N, C] = shape;
  const area = product(shape.slice(2));
  const out = new Float32Array(values.length);
  for (let n = 0; n < N; n++) {
    const image = values.subarray(n * C * area, (n + 1) * C * area);
    out.set(transposed(image, C, area), n * C * area);
  }
  return out;
}

/** Numbers of maps [N,H,W,C] as [N,C,H,W], `shape`. */
export function channelsFirst(values: Float32Array, shape: readonly number[]): Float32Array {
  const [N, C] = shape;
  const area = product(shape.slice(2));
  const out = new Float32Array(values.length);
  for (let n = 0; n < N; n++) {
    const image = values.subarray(n * C * area, (n + 1) * C * area);
    out.set(transposed(image, area, C), n * C * area);
  }
  return out;
}

/** The weights as a file for this library would hold them: filters [R,S,C,K], matrices [C,K]. */
export function weightsOf(steps: Steps, material: Material): TfWeights {
  const weights: Record<string, TfWeights[string]> = {};
  for (const node of steps.nodes) {
    for (const param of Object.keys(node.params)) {
      const name = paramName(node, param);
      const { shape, read } = material.weights.get(name)!;
      if (param !== 'weight' || shape.length === 1) {
        weights[name] = { data: read(), shape };
      } else if (node.kind === 'conv2d') {
        const [K, C, R, S] = shape;
        const data = transposed(channelsLast(read(), shape), K, C * R * S);
        weights[name] = { data, shape: [R, S, C, K] };
      } else {
        const [K, C] = shape;
        const maps = mapsBehind(node, steps);
        // Behind a flattening the columns follow the order of the maps' numbers.
        const rows = maps ? channelsLast(read(), [K, ...maps.slice(1)]) : read();
        weights[name] = { data: transposed(rows, K, C), shape: [C, K] };
      }
    }
  }
  return weights;
}

/** Shape of the maps that a linear layer's input was flattened from. */
function mapsBehind(node: Node, { graph, shapes }: Steps): readonly number[] | undefined {
  const before = graph.get(node.inputs[0]);
  if (before.kind === 'dropout' && before.name !== 'x')
    return mapsBehind(before, { graph, shapes } as Steps);
  return before.kind === 'flatten' ? shapes.get(before.inputs[0]) : undefined;
}

/** Builds a network from its nodes. ReLU behind a convolution or a product is part of it, as the library's own converter does. */
export function programOf(tf: Tf, steps: Steps, weights: TfWeights): TfProgram {
  const held = new Map(
    Object.entries(weights).map(([name, { data, shape }]) => [
      name,
      tf.tensor(data, shape as number[]),
    ]),
  );
  const calls = new Map<string, Call>();
  const merged = new Set<string>();
  for (const node of steps.nodes) {
    const readers = steps.graph.consumers(node.name);
    const next = readers.length === 1 ? steps.graph.get(readers[0]) : undefined;
    const takesRelu = (node.kind === 'conv2d' || node.kind === 'linear') && next?.kind === 'relu';
    if (takesRelu) merged.add(next.name);
    const build = builders[node.kind];
    if (!build) throw new RangeError(`no TensorFlow.js call for ${node.kind}`);
    const param = (name: string) => held.get(paramName(node, name));
    calls.set(node.name, build(tf, steps, node, param, takesRelu));
  }
  const names = [...calls.keys()];
  return {
    run(values, from, to = steps.graph.output) {
      const first = from === undefined ? 0 : names.indexOf(from) + 1;
      for (const name of names.slice(first, names.indexOf(to) + 1)) {
        const { inputs } = steps.graph.get(name);
        values.set(name, merged.has(name) ? values.get(inputs[0])! : calls.get(name)!(values));
      }
      return values.get(to)!;
    },
    dispose() {
      for (const tensor of held.values()) tensor.dispose();
    },
  };
}

type Builder = (
  tf: Tf,
  steps: Steps,
  node: Node,
  param: (name: string) => tfc.Tensor | undefined,
  withRelu: boolean,
) => Call;

const optionsOf = <K extends OpKind>(node: Node) => node.options as OpOptions[K];

/** Padding for the library: one number, or each side. */
function padOf(pad: Parameters<typeof pair>[0] = 0) {
  const [vertical, horizontal] = pair(pad);
  if (vertical === horizontal) return vertical;
  throw new RangeError('padding should be the same in both directions');
}

const same: Builder =
  (_tf, _steps, { inputs: [x] }) =>
  (values) =>
    values.get(x)!;

const builders: Partial<Readonly<Record<OpKind, Builder>>> = {
  conv2d: (tf, _steps, node, param, withRelu) => {
    const { stride = 1, pad, dilation = 1 } = optionsOf<'conv2d'>(node);
    return (values) =>
      tf.fused.conv2d({
        x: values.get(node.inputs[0]) as tfc.Tensor4D,
        filter: param('weight') as tfc.Tensor4D,
        strides: [...pair(stride)],
        dilations: [...pair(dilation)],
        pad: padOf(pad),
        dimRoundingMode: 'floor',
        bias: param('bias'),
        activation: withRelu ? 'relu' : 'linear',
      });
  },
  linear: (tf, _steps, node, param, withRelu) => (values) => {
    const x = values.get(node.inputs[0])!;
    const y = tf.fused.matMul({
      a: tf.reshape(x, [-1, node.params.weight[1]]),
      b: param('weight')!,
      bias: param('bias'),
      activation: withRelu ? 'relu' : 'linear',
    });
    return tf.reshape(y, [...x.shape.slice(0, -1), y.shape[1]!]);
  },
  relu: (tf, _steps, node) => (values) => tf.relu(values.get(node.inputs[0])!),
  maxPool2d: (tf, _steps, node) => {
    const { size, stride = size, pad, ceilMode } = optionsOf<'maxPool2d'>(node);
    return (values) =>
      tf.maxPool(
        values.get(node.inputs[0]) as tfc.Tensor4D,
        [...pair(size)],
        [...pair(stride)],
        padOf(pad),
        ceilMode ? 'ceil' : 'floor',
      );
  },
  adaptiveAvgPool2d: (tf, { shapes }, node) => {
    const [from, to] = [shapes.get(node.inputs[0])!, shapes.get(node.name)!];
    if (from[2] === to[2] && from[3] === to[3]) return (values) => values.get(node.inputs[0])!;
    if (to[2] * to[3] === 1) return (values) => tf.mean(values.get(node.inputs[0])!, [1, 2], true);
    throw new RangeError(`no TensorFlow.js call for means of ${from} to ${to}`);
  },
  dropout: same,
  flatten: (tf, _steps, node) => (values) => {
    const x = values.get(node.inputs[0])!;
    return tf.reshape(x, [x.shape[0], -1]);
  },
  add:
    (tf, _steps, { inputs: [a, b] }) =>
    (values) =>
      tf.add(values.get(a)!, values.get(b)!),
  concat:
    (tf, _steps, { inputs }) =>
    (values) =>
      tf.concat(
        inputs.map((name) => values.get(name)!),
        -1,
      ),
  layerNorm: (tf, _steps, node, param) => {
    const { eps = 1e-6 } = optionsOf<'layerNorm'>(node);
    return (values) => {
      const x = values.get(node.inputs[0])!;
      const { mean, variance } = tf.moments(x, -1, true);
      const factor = tf.mul(tf.rsqrt(tf.add(variance, eps)), param('weight')!);
      return tf.add(tf.mul(tf.sub(x, mean), factor), param('bias')!);
    };
  },
  gelu: (tf, _steps, node) => (values) => {
    const x = values.get(node.inputs[0])!;
    return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
  },
  patchTokens: (tf, _steps, node, param) => {
    const extra = Object.keys(node.params).filter((name) => name !== 'pos_embedding');
    return (values) => {
      const x = values.get(node.inputs[0])!;
      const [N, P, Q, D] = x.shape;
      const tokens = extra.map((name) => tf.tile(param(name)!, [N, 1, 1]));
      return tf.add(
        tf.concat([...tokens, tf.reshape(x, [N, P * Q, D])], 1),
        param('pos_embedding')!,
      );
    };
  },
  token: (tf, _steps, node) => (values) => {
    const x = values.get(node.inputs[0])!;
    const [N, , D] = x.shape;
    return tf.reshape(tf.slice(x, [0, optionsOf<'token'>(node).token, 0], [N, 1, D]), [N, D]);
  },
  // What it holds is asked for by the next node only, which computes it.
  attentionMap: same,
  attentionOutput: (tf, steps, node) => {
    const { heads } = steps.graph.get(node.inputs[0]).options as { heads: number };
    return (values) => {
      const qkv = values.get(node.inputs[1])!;
      const [N, T, wide] = qkv.shape;
      const width = wide / 3 / heads;
      const parts = tf.transpose(tf.reshape(qkv, [N, T, 3, heads, width]), [2, 0, 3, 1, 4]);
      const [q, k, v] = tf.unstack(parts);
      const p = tf.softmax(tf.matMul(tf.mul(q, 1 / Math.sqrt(width)), k, false, true));
      return tf.reshape(tf.transpose(tf.matMul(p, v), [0, 2, 1, 3]), [N, T, wide / 3]);
    };
  },
};
