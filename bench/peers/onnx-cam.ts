import type { Node } from '../../src/net/graph.js';
import type { PeerCase } from './cases.js';
import type { Material } from './material.js';
import { type OnnxFiles, OnnxModel } from './onnx.js';
import { addNodes, enlarged, type OnnxScope, poolAttributes, weightOf } from './onnx-graph.js';
import { stepsOf } from './steps.js';

/** A network split at the layer that is explained. */
function split(c: PeerCase, material: Material, model: OnnxModel, x: string) {
  const steps = stepsOf(c);
  const layer = c.network!.defaultLayer;
  const at = steps.nodes.findIndex(({ name }) => name === layer);
  const values = new Map([[steps.input, x]]);
  const scope: OnnxScope = { model, steps, material, attention: 'fused', values };
  const maps = steps.shapes.get(layer)!;
  return {
    scope,
    layer,
    maps,
    front: steps.nodes.slice(0, at + 1),
    tail: steps.nodes.slice(at + 1),
  };
}

/**
 * Grad-CAM as one model, `x` to the map `y` [1,H,W]: the runtime has no gradients, so the backward pass of the layers behind the one that is
 * explained is written as nodes.
 */
export function gradCamModel(c: PeerCase, material: Material): OnnxFiles {
  const model = new OnnxModel();
  const x = model.input('x', c.input);
  const { scope, layer, maps, front, tail } = split(c, material, model, x);
  addNodes(scope, front);
  const backward = tail.map((node) => recordWithBackward(scope, node));
  const logits = scope.values.get(scope.steps.graph.output)!;
  // 1 for the class that is predicted, 0 for the others.
  const best = model.node('ReduceMax', [logits], { axes: [1], keepdims: 1 });
  let gradient = isPositive(model, model.node('Sub', [logits, best]), 'GreaterOrEqual');
  for (const step of backward.reverse()) gradient = step(gradient);
  const alpha = model.node('ReduceMean', [gradient], { axes: [2, 3], keepdims: 1 });
  const weighted = model.node('Mul', [scope.values.get(layer)!, alpha]);
  model.output(finished(model, weighted, maps, c.input), 'y', [1, ...c.input.slice(2)]);
  return model.files();
}

/** 1 where x is above (or at) 0, else 0. */
const isPositive = (model: OnnxModel, x: string, how: 'Greater' | 'GreaterOrEqual') =>
  model.node('Cast', [model.node(how, [x, model.scalar(0)])], { to: 1 });

/** Adds a node, and returns what adds its gradient: from that of its result to that of its input. */
function recordWithBackward(scope: OnnxScope, node: Node): (dy: string) => string {
  const { model, steps, values } = scope;
  const from = steps.shapes.get(node.inputs[0])!;
  const input = values.get(node.inputs[0])!;
  if (node.kind === 'maxPool2d') {
    const names = [model.fresh('pooled'), model.fresh('positions')];
    values.set(node.name, model.node('MaxPool', [input], poolAttributes(node), { names }));
    const size = from.reduce((a, b) => a * b);
    const zeros = () => model.weight(new Float32Array(size), [size]);
    return (dy) => {
      const flat = (v: string) => model.node('Reshape', [v, model.ints([-1])]);
      const sums = model.node('ScatterElements', [zeros(), flat(names[1]), flat(dy)], {
        ...{ axis: 0, reduction: 'add' },
      });
      return model.node('Reshape', [sums, model.ints(from)]);
    };
  }
  addNodes(scope, [node]);
  const y = values.get(node.name)!;
  switch (node.kind) {
    case 'linear':
      return (dy) => model.node('Gemm', [dy, weightOf(scope, node, 'weight')]);
    case 'relu':
      return (dy) => model.node('Mul', [dy, isPositive(model, y, 'Greater')]);
    case 'flatten':
      return (dy) => model.node('Reshape', [dy, model.ints(from)]);
    case 'adaptiveAvgPool2d': {
      if (y === input) return (dy) => dy;
      const share = model.scalar(1 / (from[2] * from[3]));
      return (dy) => model.node('Mul', [model.node('Expand', [dy, model.ints(from)]), share]);
    }
    default:
      if (y === input) return (dy) => dy;
      throw new RangeError(`no gradient of ${node.kind} written in ONNX`);
  }
}

/** The sum over the channels without its negative values, enlarged to the input's size and stretched to 0..1. */
function finished(
  model: OnnxModel,
  weighted: string,
  maps: readonly number[],
  input: readonly number[],
): string {
  const raw = model.node('Relu', [
    model.node('ReduceSum', [weighted, model.ints([1])], { keepdims: 1 }),
  ]);
  const large = enlarged(model, raw, [maps[0], 1, ...input.slice(2)]);
  return model.node('Reshape', [stretched(model, large), model.ints([maps[0], ...input.slice(2)])]);
}

/** Each map [N,1,H,W] stretched to 0..1; a constant one to 0. */
function stretched(model: OnnxModel, x: string): string {
  const attributes = { axes: [1, 2, 3], keepdims: 1 };
  const low = model.node('ReduceMin', [x], attributes);
  const high = model.node('ReduceMax', [x], attributes);
  const range = model.node('Max', [model.node('Sub', [high, low]), model.scalar(1e-30)]);
  return model.node('Div', [model.node('Sub', [x, low]), range]);
}

/** Score-CAM as three models, which a program calls one after the other. */
export interface ScoreCamModels {
  /** `x` to the explained layer's maps `a` [1,K,h,w] and the logits `y`. */
  readonly maps: OnnxFiles;
  /** The image `x` and some of its maps `m` [M,1,h,w] to the probabilities `y` of the masked copies. */
  readonly masked: OnnxFiles;
  /** Maps `a` and their weights `w` [1,K,1,1] to the finished map `y`. */
  readonly finish: OnnxFiles;
}

/** The models of a case. */
export function scoreCamModels(c: PeerCase, material: Material): ScoreCamModels {
  const classes = c.network!.classes;
  const size = c.input.slice(2);

  const first = new OnnxModel();
  const one = split(c, material, first, first.input('x', c.input));
  addNodes(one.scope, [...one.front, ...one.tail]);
  first.output(one.scope.values.get(one.layer)!, 'a', one.maps);
  first.output(one.scope.values.get(one.scope.steps.graph.output)!, 'y', [1, classes]);

  const second = new OnnxModel();
  const image = second.input('x', c.input);
  const some = second.input('m', ['M', 1, ...one.maps.slice(2)]);
  const scales = size.map((side, i) => side / one.maps[2 + i]);
  const large = second.node('Resize', [some, '', second.floats([1, 1, ...scales])], {
    mode: 'linear',
    coordinate_transformation_mode: 'half_pixel',
  });
  const copies = second.node('Mul', [image, stretched(second, large)]);
  const many = split(c, material, second, copies);
  addNodes(many.scope, [...many.front, ...many.tail]);
  const logits = many.scope.values.get(many.scope.steps.graph.output)!;
  second.output(second.node('Softmax', [logits], { axis: 1 }), 'y', ['M', classes]);

  const third = new OnnxModel();
  const shape = [1, c.maps!, ...one.maps.slice(2)];
  const a = third.input('a', shape);
  const w = third.input('w', [1, c.maps!, 1, 1]);
  third.output(finished(third, third.node('Mul', [a, w]), shape, c.input), 'y', [1, ...size]);
  return { maps: first.files(), masked: second.files(), finish: third.files() };
}
