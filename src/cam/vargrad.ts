import type { Method } from './method.js';
import { noiseOptions, noisyGradients } from './noisy-gradients.js';

/**
 * VarGrad: J. Adebayo et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values", 2018.
 *
 *   raw = variance over j of d y_c / d I at I + n_j,  n_j ~ N(0, sigma^2)  [3,H,W], not negative; divided by the number of copies
 */
export const varGrad: Method = {
  name: 'vargrad',
  title: 'VarGrad',
  paper: 'Adebayo et al., "Local Explanation Methods for Deep Neural Networks", 2018',
  options: noiseOptions,
  layers: 'none',
  finish: 'magnitude',
  passes: 'several',
  usesTarget: true,
  record: (scene, options) => noisyGradients(scene, options, 'variance'),
};
