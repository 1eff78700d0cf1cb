import type { Value } from '../gpu/value.js';
import { addNoise } from '../kernels/add-noise.js';
import { gradientMoments } from '../kernels/gradient-moments.js';
import { smoothPlusPlusWeights } from '../kernels/smooth-plus-plus-weights.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { mostPasses } from './budget.js';
import { activationsAt, featuresAt, type Method } from './method.js';

/**
 * Smooth Grad-CAM++: D. Omeiza et al., "Smooth Grad-CAM++: An Enhanced Inference Level Visualization Technique for Deep
 * Convolutional Neural Network Models", 2019.
 *
 *   D1, D2, D3 = means of G, G^2, G^3 over noisy copies x + N(0, sigma^2)
 *   alpha = D2 / (2 D2 + sum(A[k]) D3),  w[k] = sum over i,j of alpha relu(D1),  raw = sum over k of w[k] A[k], A of the clean image
 *
 * The paper prints D1 in alpha's numerator, where Grad-CAM++ has the square: option `numerator` = `d1`.
 */
export const smoothGradCamPlusPlus: Method = {
  name: 'smooth-grad-cam++',
  title: 'Smooth Grad-CAM++',
  paper: 'Omeiza et al., "Smooth Grad-CAM++", 2019',
  options: {
    copies: { default: 4, min: 1, max: mostPasses, about: 'number of noisy copies' },
    sigma: {
      default: 0.3,
      min: 0,
      about: 'standard deviation of the noise on the normalised input',
    },
    seed: { default: 'noise', about: 'name that seeds the noise' },
    numerator: {
      default: 'd2',
      choices: ['d2', 'd1'],
      about: "alpha's numerator; the paper prints d1",
    },
  },
  layers: 'one',
  finish: 'relu',
  passes: 'several',
  usesTarget: true,
  record: (scene, options) => {
    const { recorder, layers } = scene;
    const { k } = recorder;
    const copies = options.copies as number;
    const A = activationsAt(scene.trace, layers[0]);
    let m: Value | undefined;
    for (let copy = 0; copy < copies; copy++) {
      const noise = scene.noise(`${options.seed}:${copy}`, options.sigma as number);
      const noisy = scene.retrace(k(addNoise, { x: scene.input, noise }));
      const { G } = featuresAt(scene, noisy, layers[0]);
      m = k(gradientMoments, { g: G }, { copies, first: copy === 0 }, { into: m });
    }
    const literal = options.numerator === 'd1';
    return k(weightedSum, { x: A, w: k(smoothPlusPlusWeights, { x: A, m: m! }, { literal }) });
  },
};
