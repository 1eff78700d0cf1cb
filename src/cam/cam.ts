import { LayerError } from '../errors.js';
import { linearBackwardInput } from '../kernels/linear-backward-input.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import type { Graph } from '../net/graph.js';
import { activationsAt, type Method } from './method.js';

/**
 * CAM: B. Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, equations 1 and 2.
 *
 *   raw = sum over k of w[c,k] A[k]        w the classifier's row of class c behind global average pooling
 *
 * Only for networks that end in global average pooling and one linear layer; A is what is pooled.
 */
export const cam: Method = {
  name: 'cam',
  title: 'CAM',
  paper: 'Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016',
  options: {},
  layers: 'none',
  finish: 'relu',
  passes: 'one',
  usesTarget: true,
  record: (scene) => {
    const { k } = scene.recorder;
    const { graph } = scene.net;
    const { pooled, linear } = headOf(graph, scene.net.name);
    const A = activationsAt(scene.trace, pooled);
    const { dy } = scene.seed(scene.trace);
    // The seed of a class is a one-hot row: its product with the weights is the class's row.
    const w = scene.trace.param(graph.get(linear), 'weight');
    return k(weightedSum, { x: A, w: k(linearBackwardInput, { dy, w }) });
  },
};

/** The pooled layer and the classifier of a network with a CAM head. @throws LayerError if it has none. */
function headOf(graph: Graph, name: string): { pooled: string; linear: string } {
  let node = graph.get(graph.output);
  const linear = node.name;
  if (node.kind === 'linear') {
    do node = graph.get(node.inputs[0]);
    while (node.kind === 'flatten' || node.kind === 'dropout');
    if (node.kind === 'adaptiveAvgPool2d') {
      const [P, Q] = (node.options as { outputSize: readonly [number, number] }).outputSize;
      if (P === 1 && Q === 1) return { pooled: node.inputs[0], linear };
    }
  }
  throw new LayerError(
    `cam: ${name} does not end in global average pooling and one linear layer: use grad-cam, which is the same there and works everywhere`,
  );
}
