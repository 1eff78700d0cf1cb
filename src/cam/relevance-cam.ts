import { LayerError } from '../errors.js';
import { spatialMean } from '../kernels/spatial-mean.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { activationsAt, type Method } from './method.js';
import { contrastiveRelevance, relevanceAt, relevanceOptions } from './relevance.js';

const auto = { transformer: 'transformer-orig', convolutional: 'z-plus' } as const;

/**
 * Relevance-CAM: J. R. Lee et al., "Relevance-CAM: Your Model Already Knows Where to Look", CVPR 2021, section 3.
 *
 *   w[k] = mean over i,j of R[k,i,j]        R the relevance of the layer's maps A
 *   raw  = sum over k of w[k] A[k]
 *
 * As the paper has it, relevance begins contrastively at the output and is shared by the z-plus rule; as its program has it, without the score
 * as a factor. That adds up to 0, which the rules of Chefer et al. for transformers would scale to; there the plain ones are taken.
 */
export const relevanceCam: Method = {
  name: 'relevance-cam',
  title: 'Relevance-CAM',
  paper: 'Lee et al., "Relevance-CAM", CVPR 2021',
  options: {
    start: {
      default: 'contrastive',
      choices: ['contrastive', 'class'],
      about: 'relevance at the output: the class held against all others, or its score alone',
    },
    ...relevanceOptions,
  },
  layers: 'one',
  finish: 'relu',
  passes: 'one',
  usesTarget: true,
  ignoresProbability: ({ start }) => start === 'contrastive',
  record: (scene, options) => {
    const { recorder, trace, layers } = scene;
    const { k } = recorder;
    const A = activationsAt(trace, layers[0]); // [N, K, h, w]
    if (options.start === 'contrastive' && options.composite === 'transformer') {
      throw new LayerError(
        'relevance-cam: contrastive relevance adds up to 0, to which composite transformer scales everything: choose start=class or composite=transformer-orig',
      );
    }
    const start = options.start === 'contrastive' ? contrastiveRelevance(scene) : undefined;
    const relevance = relevanceAt(scene, layers[0], options, auto, start);
    const R = trace.asMaps(layers[0], relevance)!;
    return k(weightedSum, { x: A, w: k(spatialMean, { x: R }) });
  },
};
