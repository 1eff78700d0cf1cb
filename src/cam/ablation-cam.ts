import { ablateChannels } from '../kernels/ablate-channels.js';
import { masksAt } from '../kernels/mask-source.js';
import { rowDot } from '../kernels/row-dot.js';
import { scoreDrops } from '../kernels/score-drops.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { batchOption, scoresOf } from './masked-scores.js';
import { activationsAt, type Method } from './method.js';

/**
 * Ablation-CAM: S. Desai and H. G. Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free
 * Localization", WACV 2020.
 *
 *   w[k] = (y_c - y_c with A[k] = 0) / y_c,  raw = sum over k of w[k] A[k]
 *
 * The network runs from the layer on only. Where y_c is negative the weights change their sign, as the formula has it.
 */
export const ablationCam: Method = {
  name: 'ablation-cam',
  title: 'Ablation-CAM',
  paper: 'Desai and Ramaswamy, "Ablation-CAM", WACV 2020',
  options: batchOption,
  layers: 'one',
  finish: 'relu',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const { recorder, trace } = scene;
    const { k } = recorder;
    const [layer] = scene.layers;
    const A = activationsAt(trace, layer);
    const [N, K] = A.shape;
    const scoring = { kind: 'logit', options } as const;
    const scores = scoresOf(scene, layer, A.shape, K, scoring, ({ image, first, count }) =>
      k(ablateChannels, { x: A, at: recorder.constant(masksAt(image, first)) }, { count }),
    );
    const baseline = k(rowDot, { a: trace.output, b: scene.choice() }).reshape([N, 1]);
    return k(weightedSum, { x: A, w: k(scoreDrops, { scores, baseline }, { relative: true }) });
  },
};
