import { weightedSum } from '../kernels/weighted-sum.js';
import { xGradCamWeights } from '../kernels/x-grad-cam-weights.js';
import { fromGradients } from './method.js';

/**
 * XGrad-CAM: R. Fu et al., "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs", BMVC 2020, equation 8.
 *
 *   w[k] = sum over i,j of G A / sum over i,j of A,  raw = sum over k of w[k] A[k]
 */
export const xGradCam = fromGradients(
  {
    name: 'xgrad-cam',
    title: 'XGrad-CAM',
    paper: 'Fu et al., "Axiom-based Grad-CAM", BMVC 2020',
  },
  (k, { A, G }) => k(weightedSum, { x: A, w: k(xGradCamWeights, { x: A, g: G }) }),
);
