import { backToInput } from './backprop.js';
import type { Method } from './method.js';

/**
 * Vanilla gradient: K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks: Visualising Image
 * Classification Models and Saliency Maps", ICLR 2014 workshop, section 3.
 *
 *   raw = d y_c / d I  [3,H,W];  the map is the largest magnitude over the channels
 */
export const vanillaGradient: Method = {
  name: 'gradient',
  title: 'Vanilla gradient',
  paper: 'Simonyan et al., "Deep Inside Convolutional Networks", 2014',
  options: {},
  layers: 'none',
  finish: 'magnitude',
  passes: 'one',
  usesTarget: true,
  record: (scene) => backToInput(scene),
};
