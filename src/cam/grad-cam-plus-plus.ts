import {
  gradCamPlusPlusWeights,
  type PlusPlusForm,
} from '../kernels/grad-cam-plus-plus-weights.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { fromGradients } from './method.js';

/**
 * Grad-CAM++: A. Chattopadhay et al., "Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional Networks",
 * WACV 2018, equation 19 (the closed form for an exponential score).
 *
 *   alpha = G^2 / (2 G^2 + sum(A[k]) G^3),  w[k] = sum over i,j of alpha relu(G),  raw = sum over k of w[k] A[k]
 *
 * Option `form`: `stabilised` adds 1e-6 to the denominator (pytorch-grad-cam), `torch-cam` sums A G^3 instead (torch-cam, Group-CAM's code).
 */
export const gradCamPlusPlus = fromGradients(
  {
    name: 'grad-cam++',
    title: 'Grad-CAM++',
    paper: 'Chattopadhay et al., "Grad-CAM++", WACV 2018',
    options: {
      form: {
        default: 'paper',
        choices: ['paper', 'stabilised', 'torch-cam'],
        about: "denominator of alpha: the paper's, with 1e-6 added, or with the sum of A G^3",
      },
    },
  },
  (k, { A, G }, options) => {
    const form = options.form as PlusPlusForm;
    return k(weightedSum, { x: A, w: k(gradCamPlusPlusWeights, { x: A, g: G }, { form }) });
  },
);
