import { pair } from '../../src/kernels/conv-shape.js';
import { type Node, type OpKind, type OpOptions, paramName } from '../../src/net/graph.js';
import type { PeerCase } from './cases.js';
import { type Material, transposed } from './material.js';
import { float, type OnnxFiles, OnnxModel } from './onnx.js';
import { type Steps, stepsOf } from './steps.js';

/** Whether attention is the runtime's own operator, or products and a softmax. */
export type AttentionForm = 'fused' | 'plain';

/** A model that is being built, and the values that there are in it by node. */
export interface OnnxScope {
  readonly model: OnnxModel;
  readonly steps: Steps;
  readonly material: Material;
  readonly attention: AttentionForm;
  readonly values: Map<string, string>;
}

/** A case's computation as an ONNX model with the input `x` and the output `y`. */
export function onnxOf(c: PeerCase, material: Material, attention: AttentionForm): OnnxFiles {
  const model = new OnnxModel();
  const x = model.input('x', c.input);
  if (c.special) {
    model.output(special(model, c, x), 'y', shapeOfSpecial(c));
    return model.files();
  }
  const steps = stepsOf(c);
  const scope = { model, steps, material, attention, values: new Map([[steps.input, x]]) };
  if (steps.input === 'x') scope.values.set('x', x);
  addNodes(scope, steps.nodes);
  const { output } = steps.graph;
  model.output(scope.values.get(output)!, 'y', steps.shapes.get(output)!);
  return model.files();
}

export const shapeOfSpecial = ({ special, input }: PeerCase): readonly number[] =>
  special!.kind === 'resize' ? [input[0], input[1], ...special!.outputSize] : input;

function special(model: OnnxModel, c: PeerCase, x: string): string {
  if (c.special!.kind === 'softmax') return model.node('Softmax', [x], { axis: -1 });
  return enlarged(model, x, shapeOfSpecial(c));
}

/** Maps enlarged bilinearly, pixels' areas scaled. */
export const enlarged = (model: OnnxModel, x: string, shape: readonly number[]): string =>
  model.node('Resize', [x, '', '', model.ints(shape)], {
    mode: 'linear',
    coordinate_transformation_mode: 'half_pixel',
  });

/** Adds nodes of a network to a model. */
export function addNodes(scope: OnnxScope, nodes: readonly Node[]): void {
  for (const node of nodes) {
    const inputs = node.inputs.map((name) => scope.values.get(name)!);
    const add = adders[node.kind];
    if (!add) throw new RangeError(`no ONNX nodes for ${node.kind}`);
    scope.values.set(node.name, add(scope, node, inputs));
  }
}

type Adder = (scope: OnnxScope, node: Node, inputs: readonly string[]) => string;

/** A parameter of a node as an initializer; a name that two nodes share is added once. */
export function weightOf(
  { model, material }: OnnxScope,
  node: Node,
  param: string,
  isTransposed = false,
): string {
  const name = paramName(node, param);
  const { shape, read } = material.weights.get(name)!;
  return isTransposed
    ? model.weight(transposed(read(), shape[0], shape[1]), [shape[1], shape[0]])
    : model.weight(read(), shape);
}

const optionsOf = <K extends OpKind>(node: Node) => node.options as OpOptions[K];

/** Padding on each side: top, left, bottom, right. */
const pads = (pad: Parameters<typeof pair>[0] = 0) => [...pair(pad), ...pair(pad)];

const adders: Partial<Readonly<Record<OpKind, Adder>>> = {
  conv2d: (scope, node, [x]) => {
    const { stride = 1, pad, dilation = 1, groups = 1 } = optionsOf<'conv2d'>(node);
    const w = weightOf(scope, node, 'weight');
    const inputs = node.params.bias ? [x, w, weightOf(scope, node, 'bias')] : [x, w];
    return scope.model.node('Conv', inputs, {
      ...{ kernel_shape: node.params.weight.slice(2), pads: pads(pad), group: groups },
      ...{ strides: pair(stride), dilations: pair(dilation) },
    });
  },
  linear: (scope, node, [x]) => {
    const { model, steps } = scope;
    const isRows = steps.shapes.get(node.inputs[0])!.length === 2;
    const w = weightOf(scope, node, 'weight', !isRows);
    const b = weightOf(scope, node, 'bias');
    if (isRows) return model.node('Gemm', [x, w, b], { transB: 1 });
    return model.node('Add', [model.node('MatMul', [x, w]), b]);
  },
  relu: ({ model }, _node, [x]) => model.node('Relu', [x]),
  maxPool2d: ({ model }, node, [x]) => model.node('MaxPool', [x], poolAttributes(node)),
  adaptiveAvgPool2d: ({ model, steps }, node, [x]) => {
    const from = steps.shapes.get(node.inputs[0])!;
    const to = steps.shapes.get(node.name)!;
    if (from[2] === to[2] && from[3] === to[3]) return x;
    if (to[2] * to[3] === 1) return model.node('GlobalAveragePool', [x]);
    throw new RangeError(`no ONNX node for means of ${from} to ${to}`);
  },
  dropout: (_scope, _node, [x]) => x,
  flatten: ({ model }, _node, [x]) => model.node('Flatten', [x], { axis: 1 }),
  add: ({ model }, _node, inputs) => model.node('Add', inputs),
  concat: ({ model }, _node, inputs) => model.node('Concat', inputs, { axis: 1 }),
  layerNorm: (scope, node, [x]) => {
    const { eps = 1e-6 } = optionsOf<'layerNorm'>(node);
    const inputs = [x, weightOf(scope, node, 'weight'), weightOf(scope, node, 'bias')];
    return scope.model.node('LayerNormalization', inputs, { axis: -1, epsilon: float(eps) });
  },
  gelu: ({ model }, _node, [x]) => model.node('Gelu', [x], {}, { domain: 'com.microsoft' }),
  patchTokens: (scope, node, [x]) => {
    const { model, steps } = scope;
    const [N, T, D] = steps.shapes.get(node.name)!;
    const rows = model.node('Reshape', [x, model.ints([N, D, -1])]);
    const patches = model.node('Transpose', [rows], { perm: [0, 2, 1] });
    const extra = Object.keys(node.params).filter((param) => param !== 'pos_embedding');
    const tokens = extra.map((param) =>
      model.node('Expand', [weightOf(scope, node, param), model.ints([N, 1, D])]),
    );
    if (T !== node.params.pos_embedding[1]) {
      throw new RangeError('positions would have to be interpolated');
    }
    const all = model.node('Concat', [...tokens, patches], { axis: 1 });
    return model.node('Add', [all, weightOf(scope, node, 'pos_embedding')]);
  },
  token: ({ model, steps }, node, [x]) => {
    const { token } = optionsOf<'token'>(node);
    const [N, , D] = steps.shapes.get(node.inputs[0])!;
    const bounds = [[token], [token + 1], [1]].map((list) => model.ints(list));
    return model.node('Reshape', [model.node('Slice', [x, ...bounds]), model.ints([N, D])]);
  },
  // What it holds is asked for by the next node only, which computes it.
  attentionMap: (_scope, _node, [qkv]) => qkv,
  attentionOutput: (scope, node, [, qkv]) => {
    const { model, steps, attention } = scope;
    const { heads } = steps.graph.get(node.inputs[0]).options as { heads: number };
    const shape = steps.shapes.get(node.name)!;
    const parts = ['q', 'k', 'v'].map((part) => model.fresh(part));
    model.node(
      'Split',
      [qkv, model.ints([shape[2], shape[2], shape[2]])],
      { axis: -1 },
      { names: parts },
    );
    if (attention === 'plain') return plainAttention(model, parts, heads, shape);
    return model.node(
      'MultiHeadAttention',
      parts,
      { num_heads: heads },
      { domain: 'com.microsoft' },
    );
  },
};

function plainAttention(
  model: OnnxModel,
  [q, k, v]: readonly string[],
  heads: number,
  [N, T, D]: readonly number[],
): string {
  const byHead = (x: string, perm: readonly number[]) =>
    model.node('Transpose', [model.node('Reshape', [x, model.ints([N, T, heads, D / heads])])], {
      perm,
    });
  const products = model.node('MatMul', [byHead(q, [0, 2, 1, 3]), byHead(k, [0, 2, 3, 1])]);
  const scores = model.node('Mul', [products, model.scalar(1 / Math.sqrt(D / heads))]);
  const p = model.node('Softmax', [scores], { axis: -1 });
  const mixed = model.node('MatMul', [p, byHead(v, [0, 2, 1, 3])]);
  const tokens = model.node('Transpose', [mixed], { perm: [0, 2, 1, 3] });
  return model.node('Reshape', [tokens, model.ints([N, T, D])]);
}

/** A max-pooling's geometry. */
export function poolAttributes(node: Node) {
  const { size, stride = size, pad, ceilMode = false } = optionsOf<'maxPool2d'>(node);
  return {
    ...{ kernel_shape: pair(size), strides: pair(stride), pads: pads(pad) },
    ceil_mode: ceilMode ? 1 : 0,
  };
}
