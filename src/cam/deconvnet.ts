import { deconv } from '../net/rules.js';
import { backToInput } from './backprop.js';
import type { Method } from './method.js';

/**
 * The deconvnet: M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 2.1; for a class as in
 * K. Simonyan et al., 2014, section 4.
 *
 *   raw = the gradient by the pixels [3,H,W], of which each ReLU passes on only what is above 0, whatever its input was
 */
export const deconvnet: Method = {
  name: 'deconvnet',
  title: 'Deconvnet',
  paper: 'Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014',
  options: {},
  layers: 'none',
  finish: 'magnitude',
  passes: 'one',
  usesTarget: true,
  record: (scene) => backToInput(scene, deconv),
};
