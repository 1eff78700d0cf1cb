import { maskByMaps } from '../kernels/mask-by-maps.js';
import { scaleShift } from '../kernels/scale-shift.js';
import { scoreWeights } from '../kernels/score-weights.js';
import { selectedScores } from '../kernels/selected-scores.js';
import { softmax } from '../kernels/softmax.js';
import { upsampledRange } from '../kernels/upsampled-range.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { maskedScores, type ScoreKind } from './masked-scores.js';
import { activationsAt, type Method } from './method.js';

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

    // The black image is the same for all images of the batch; the class is not.
    const zero = recorder.constant(new Float32Array(3 * H * W), [1, 3, H, W]);
    const y = scene.retrace(zero).output;
    const black = kind === 'probability' ? k(softmax, { x: y }) : y;
    let baseline = undefined as ReturnType<typeof activationsAt> | undefined;
    for (let image = 0; image < N; image++) {
      const place = { image, first: 0, total: 1 };
      baseline = k(selectedScores, { y: black, choice }, place, { into: baseline });
    }
    if (options.weights === 'score') {
      const nothing = recorder.constant(new Float32Array(2));
      baseline = k(scaleShift, { x: baseline!, line: nothing });
    }
    return k(weightedSum, { x: A, w: k(scoreWeights, { scores, baseline: baseline!, range }) });
  },
};
