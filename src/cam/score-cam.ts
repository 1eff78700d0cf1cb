import type { Value } from '../gpu/value.js';
import { maskByMaps } from '../kernels/mask-by-maps.js';
import { scoreWeights } from '../kernels/score-weights.js';
import { selectedScores } from '../kernels/selected-scores.js';
import { softmax } from '../kernels/softmax.js';
import { upsampledRange } from '../kernels/upsampled-range.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { maskedScores, type ScoreKind } from './masked-scores.js';
import { activationsAt, type Method, type Scene } from './method.js';

/**
 * Score-CAM: H. Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR 2020 workshop.
 *
 *   m[k] = mm(up(A[k])),  w[k] = p_c(I * m[k]) - p_c(0),  raw = sum over k of w[k] A[k];  a constant channel weighs 0
 *
 * Algorithm 1 of the paper: `score=logit,weights=softmax`. The authors' program: `weights=score` (no baseline).
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
  },
  layers: 'one',
  finish: 'relu',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const { recorder, input, layers, trace } = scene;
    const { k } = recorder;
    const A = activationsAt(trace, layers[0]);
    const [N, K] = A.shape;
    const [, , H, W] = input.shape;
    const range = k(upsampledRange, { x: A }, { outputSize: [H, W] });
    const masks = {
      count: K,
      copies: (image: number, first: number, count: number) =>
        k(maskByMaps, { image: input, maps: A, range }, { image, first, count }),
    };
    const kind = options.score as ScoreKind;
    const choice = scene.choice();
    const scores = maskedScores(scene, masks, choice, kind);
    if (options.weights === 'softmax')
      return k(weightedSum, { x: A, w: k(softmax, { x: scores }) });

    const baseline =
      options.weights === 'increase'
        ? blackScores(scene, choice, kind)
        : recorder.constant(new Float32Array(N), [N, 1]);
    return k(weightedSum, { x: A, w: k(scoreWeights, { scores, baseline, range }) });
  },
};

/** What the black image scores for the class of each image: [N,1]. It is the same for all of them; the class is not. */
function blackScores(scene: Scene, choice: Value, kind: ScoreKind): Value {
  const { recorder, input } = scene;
  const [N, , H, W] = input.shape;
  const black = recorder.constant(new Float32Array(3 * H * W), [1, 3, H, W]);
  const logits = scene.retrace(black).output;
  const y = kind === 'probability' ? recorder.k(softmax, { x: logits }) : logits;
  let scores: Value | undefined;
  for (let image = 0; image < N; image++) {
    const place = { image, first: 0, total: 1 };
    scores = recorder.k(selectedScores, { y, choice }, place, { into: scores });
  }
  return scores!;
}
