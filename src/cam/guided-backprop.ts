import { guided } from '../net/rules.js';
import { backToInput } from './backprop.js';
import type { Method } from './method.js';

/**
 * Guided backpropagation: J. T. Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR 2015 workshop, section 3.4.
 *
 *   raw = the gradient by the pixels [3,H,W], of which each ReLU passes on only what is above 0, where its input is above 0
 *
 * Sharp, but nearly blind to the class and to the weights of late layers (J. Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018).
 */
export const guidedBackprop: Method = {
  name: 'guided-backprop',
  title: 'Guided backpropagation',
  paper: 'Springenberg et al., "Striving for Simplicity", 2015',
  options: {},
  layers: 'none',
  finish: 'magnitude',
  passes: 'one',
  usesTarget: true,
  record: (scene) => backToInput(scene, guided),
};
