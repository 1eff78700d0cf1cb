import { spatialMean } from '../kernels/spatial-mean.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { fromGradients } from './method.js';

/**
 * Grad-CAM: R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
 * ICCV 2017, equations 1 and 2.
 *
 *   alpha[k] = mean over i,j of G[k,i,j]        G = d y_c / d A
 *   raw      = sum over k of alpha[k] A[k]
 */
export const gradCam = fromGradients(
  {
    name: 'grad-cam',
    title: 'Grad-CAM',
    paper: 'Selvaraju et al., "Grad-CAM", ICCV 2017',
  },
  (k, { A, G }) => k(weightedSum, { x: A, w: k(spatialMean, { x: G }) }),
);
