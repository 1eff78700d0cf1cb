import { ablateChannels } from '../kernels/ablate-channels.js';
import { mapsToTokens } from '../kernels/maps-to-tokens.js';
import { masksAt } from '../kernels/mask-source.js';
import { rowDot } from '../kernels/row-dot.js';
import { scoreDrops } from '../kernels/score-drops.js';
import { tokensToMaps } from '../kernels/tokens-to-maps.js';
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
  ignoresProbability: () => true,
  record: (scene, options) => {
    const { recorder, trace } = scene;
    const { k } = recorder;
    const [layer] = scene.layers;
    const A = activationsAt(trace, layer);
    const [N, K] = A.shape;
    const scoring = { kind: 'logit', options } as const;
    const whole = trace.value(layer);
    // A channel of tokens is taken from all of them, those before the patches too.
    const [, T] = whole.shape;
    const isTokens = whole.shape.length === 3;
    const x = isTokens ? k(tokensToMaps, { x: whole }, { grid: [T, 1] }) : whole;
    const scores = scoresOf(scene, layer, whole.shape, K, scoring, ({ image, first, count }) => {
      const at = recorder.constant(masksAt(image, first));
      const copies = k(ablateChannels, { x, at }, { count });
      return isTokens ? k(mapsToTokens, { x: copies }, { tokens: T }) : copies;
    });
    const baseline = k(rowDot, { a: trace.output, b: scene.choice() }).reshape([N, 1]);
    return k(weightedSum, { x: A, w: k(scoreDrops, { scores, baseline }, { relative: true }) });
  },
};
