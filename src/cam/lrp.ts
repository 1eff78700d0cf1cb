import type { RuleSet } from '../net/rules.js';
import type { Method } from './method.js';
import { relevanceAt, relevanceBy, relevanceOptions } from './relevance.js';

const auto = { transformer: 'transformer', convolutional: 'epsilon-plus-flat' } as const;

/**
 * Layer-wise relevance propagation: S. Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
 * Propagation", PLOS ONE 2015; composites as in M. Kohlbrenner et al., "Towards Best Practice in Explaining Neural Network Decisions with LRP",
 * IJCNN 2020.
 *
 *   raw = relevance of the pixels [3,H,W], signed; that of the output is its score, and each layer shares out what arrives
 *
 * Batch norms are merged into the convolutions before them first. Transformers have rules of their own: H. Chefer et al., "Transformer
 * Interpretability Beyond Attention Visualization", CVPR 2021, whose program begins with 1 instead of the score: the same but for that factor.
 */
export const lrp: Method = {
  name: 'lrp',
  title: 'LRP',
  paper: 'Bach et al., "Layer-Wise Relevance Propagation", PLOS ONE 2015',
  options: relevanceOptions,
  layers: 'none',
  finish: 'signed',
  passes: 'one',
  usesTarget: true,
  record: (scene, options) => relevanceAt(scene, 'input', options, auto),
};

/**
 * LRP under a table of one's own, from nodes to rules: rows of `webgpu-cam/net` (`[kind('linear'), epsilonRule(1e-3)]`, ...) and any others.
 *
 * @returns a method without options; its maps throw a LayerError that names the first node that no row matches.
 */
export const lrpBy = (rules: RuleSet): Method => ({
  ...lrp,
  options: {},
  record: (scene) => relevanceBy(scene, 'input', rules),
});
