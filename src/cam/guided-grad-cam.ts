import { blend } from '../kernels/blend.js';
import { relu } from '../kernels/relu.js';
import { resizeBilinear } from '../kernels/resize-bilinear.js';
import { guided } from '../net/rules.js';
import { backToInput } from './backprop.js';
import { gradCam } from './grad-cam.js';
import type { Method } from './method.js';

/**
 * Guided Grad-CAM: R. R. Selvaraju et al., "Grad-CAM", ICCV 2017, section 3.2.
 *
 *   raw = up(relu(Grad-CAM)) * guided backpropagation, in every channel  [3,H,W]
 *
 * Guided backpropagation has the detail, Grad-CAM the class. Enlarged bilinearly; captum takes the nearest pixel unless told.
 */
export const guidedGradCam: Method = {
  name: 'guided-grad-cam',
  title: 'Guided Grad-CAM',
  paper: 'Selvaraju et al., "Grad-CAM", ICCV 2017, section 3.2',
  options: {},
  layers: 'one',
  finish: 'magnitude',
  passes: 'one',
  usesTarget: true,
  record: (scene) => {
    const { k } = scene.recorder;
    const [N, , H, W] = scene.input.shape;
    const cam = k(relu, { x: gradCam.record(scene, {}) });
    const [, h, w] = cam.shape;
    const mask = k(resizeBilinear, { x: cam.reshape([N, 1, h, w]) }, { outputSize: [H, W] });
    return k(blend, { x: backToInput(scene, guided), mask: mask.reshape([N, H, W]) });
  },
};
