import { multiply } from '../kernels/multiply.js';
import { type Composite, composites, relevanceRules } from '../net/lrp.js';
import type { Method } from './method.js';

/**
 * Layer-wise relevance propagation: S. Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
 * Propagation", PLOS ONE 2015; composites as in M. Kohlbrenner et al., "Towards Best Practice in Explaining Neural Network Decisions with LRP",
 * IJCNN 2020.
 *
 *   raw = relevance of the pixels [3,H,W], signed; that of the output is its score, and each layer shares out what arrives
 *
 * Batch norms are merged into the convolutions before them first.
 */
export const lrp: Method = {
  name: 'lrp',
  title: 'LRP',
  paper: 'Bach et al., "Layer-Wise Relevance Propagation", PLOS ONE 2015',
  options: {
    composite: {
      default: 'epsilon-plus-flat',
      choices: composites,
      about: 'which layers share relevance by which rule',
    },
    epsilon: { default: 1e-6, above: 0, about: 'stabiliser of the epsilon rule' },
    gamma: { default: 0.25, min: 0, about: 'what agrees counts so much more, in the gamma rule' },
  },
  layers: 'none',
  finish: 'magnitude',
  passes: 'one',
  usesTarget: true,
  record: (scene, { composite, epsilon, gamma }) => {
    const { trace, net, target, recorder } = scene;
    const from = target.node ?? net.graph.output;
    const { mean, std } = net.preprocessing;
    const rules = relevanceRules(composite as Composite, {
      epsilon: Number(epsilon),
      gamma: Number(gamma),
      low: mean.map((m, c) => -m / std[c]),
      high: mean.map((m, c) => (1 - m) / std[c]),
    });
    const relevance = recorder.k(multiply, { a: scene.seed(trace).dy, b: trace.value(from) });
    return trace.backward(from, relevance, ['input'], rules).get('input')!;
  },
};
