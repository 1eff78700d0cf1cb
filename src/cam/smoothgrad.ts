import type { Method } from './method.js';
import { noiseOptions, noisyGradients } from './noisy-gradients.js';

/**
 * SmoothGrad: D. Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017.
 *
 *   raw = mean over j of d y_c / d I at I + n_j,  n_j ~ N(0, sigma^2)  [3,H,W]
 */
export const smoothGrad: Method = {
  name: 'smoothgrad',
  title: 'SmoothGrad',
  paper: 'Smilkov et al., "SmoothGrad", 2017',
  options: noiseOptions,
  layers: 'none',
  finish: 'magnitude',
  passes: 'several',
  usesTarget: true,
  record: (scene, options) => noisyGradients(scene, options, 'mean'),
};
