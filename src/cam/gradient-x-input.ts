import { multiply } from '../kernels/multiply.js';
import { backToInput } from './backprop.js';
import type { Method } from './method.js';

/**
 * Gradient times input: A. Shrikumar et al., "Not Just a Black Box: Learning Important Features Through Propagating Activation
 * Differences", 2016, section 2.
 *
 *   raw = I * d y_c / d I  [3,H,W], signed: what a pixel adds to or takes from the score, to first order, against a picture of the mean colour
 */
export const gradientXInput: Method = {
  name: 'gradient-x-input',
  title: 'Gradient x input',
  paper: 'Shrikumar et al., "Not Just a Black Box", 2016',
  options: {},
  layers: 'none',
  finish: 'signed',
  passes: 'one',
  usesTarget: true,
  record: (scene) => scene.recorder.k(multiply, { a: backToInput(scene), b: scene.input }),
};
