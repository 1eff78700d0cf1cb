import { scoreWeights } from '../kernels/score-weights.js';
import { softmax } from '../kernels/softmax.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { batchOption, maskedScores, type ScoreKind, scoreOf } from './masked-scores.js';
import { mapMasks } from './masks.js';
import { activationsAt, type Method, zeros } from './method.js';

/**
 * Score-CAM: H. Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR 2020 workshop.
 *
 *   m[k] = mm(up(A[k])),  w[k] = p_c(I * m[k]) - p_c(0),  raw = sum over k of w[k] A[k];  a constant channel weighs 0
 *
 * Presets: `paper` is its Algorithm 1 (logits, softmax over the channels; the baseline cancels), `authors` their program (no baseline),
 * `pytorch-grad-cam` that library (as `paper`, but for masks it enlarges with aligned corners, which moves a map by some percent).
 */
export const scoreCam: Method = {
  name: 'score-cam',
  title: 'Score-CAM',
  paper: 'Wang et al., "Score-CAM", CVPR 2020 workshop',
  options: {
    score: {
      default: 'probability',
      choices: ['probability', 'logit'],
      about: 'what a masked image scores',
    },
    weights: {
      default: 'increase',
      choices: ['increase', 'score', 'softmax'],
      about: 'score less that of the black image, score alone, or softmax over the channels',
    },
    ...batchOption,
  },
  presets: {
    paper: { score: 'logit', weights: 'softmax' },
    authors: { score: 'probability', weights: 'score' },
    'pytorch-grad-cam': { score: 'logit', weights: 'softmax' },
  },
  layers: 'one',
  finish: 'relu',
  passes: 'many',
  usesTarget: true,
  ignoresProbability: ({ score }) => score === 'logit',
  record: (scene, options) => {
    const { recorder, input } = scene;
    const { k } = recorder;
    const A = activationsAt(scene.trace, scene.layers[0]);
    const kind = options.score as ScoreKind;
    const { masks, range } = mapMasks(scene, A);
    const scores = maskedScores(scene, masks, { kind, options });
    if (options.weights === 'softmax')
      return k(weightedSum, { x: A, w: k(softmax, { x: scores }) });

    const [N, ...size] = input.shape;
    const baseline =
      options.weights === 'increase'
        ? scoreOf(scene, zeros(recorder, [1, ...size]), { kind })
        : zeros(recorder, [N, 1]);
    return k(weightedSum, { x: A, w: k(scoreWeights, { scores, baseline, range }) });
  },
};
