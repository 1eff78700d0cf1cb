import type { Method } from './method.js';
import { paintedSurrogate, superpixelOptions, superpixelsOf } from './superpixels.js';
import { limeProjection, switchSamples } from './surrogate.js';

/**
 * LIME: M. T. Ribeiro et al., "'Why Should I Trust You?' Explaining the Predictions of Any Classifier", KDD 2016.
 *
 *   the coefficients of a ridge regression of p_c(I * z) on the switches z of superpixels, weighted by an exponential kernel on the cosine
 *   distance of z to all on; each superpixel is painted with its own
 *
 * Superpixels are SLIC's by default, the authors' quickshift by option. What is off is grey (their program: the superpixel's mean colour).
 */
export const lime: Method = {
  name: 'lime',
  title: 'LIME',
  paper: 'Ribeiro et al., "LIME", KDD 2016',
  options: {
    ...superpixelOptions,
    width: { default: 0.25, above: 0, about: 'width of the exponential kernel' },
    ridge: { default: 1, min: 0, whole: false, about: 'weight of the penalty' },
  },
  layers: 'none',
  finish: 'relu',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const segmentation = superpixelsOf(scene, options);
    const { segments } = segmentation;
    const count = options.samples as number;
    const samples = switchSamples({ segments, count, seed: options.seed as string });
    const projection = limeProjection(samples, count, segments, {
      width: options.width as number,
      ridge: options.ridge as number,
    });
    return paintedSurrogate(scene, segmentation, samples, projection, options);
  },
};
