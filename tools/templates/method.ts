import { spatialMean } from '../kernels/spatial-mean.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { fromGradients } from './method.js';

/**
 * Template Name: A. Author et al., "Title", Venue Year, equation 1.
 *
 *   w[k] = mean over i,j of G[k,i,j]        G = d y_c / d A
 *   raw  = sum over k of w[k] A[k]
 */
export const templateName = fromGradients(
  {
    name: 'template-name',
    title: 'Template Name',
    paper: 'Author et al., "Title", Venue Year',
  },
  (k, { A, G }) => {
    const w = k(spatialMean, { x: G }); // [N,K]
    return k(weightedSum, { x: A, w }); // [N,h,w]
  },
);
