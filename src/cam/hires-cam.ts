import { elementwiseSum } from '../kernels/elementwise-sum.js';
import { fromGradients } from './method.js';

/**
 * HiResCAM: R. L. Draelos, L. Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks",
 * 2020.
 *
 *   raw = sum over k of G[k] A[k], elementwise
 */
export const hiResCam = fromGradients(
  {
    name: 'hires-cam',
    title: 'HiResCAM',
    paper: 'Draelos and Carin, "Use HiResCAM instead of Grad-CAM", 2020',
  },
  (k, { A, G }) => k(elementwiseSum, { x: A, g: G }),
);
