import type { Method } from './method.js';
import { paintedSurrogate, superpixelOptions, superpixelsOf } from './superpixels.js';
import { coalitionSamples, shapProjection } from './surrogate.js';

/**
 * KernelSHAP: S. Lundberg and S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", NIPS 2017, on superpixels.
 *
 *   the Shapley values of the superpixels in the game p_c(I * z), by weighted regression on sampled coalitions z; they add up to
 *   p_c(I) - p_c(all off)
 *
 * A superpixel without pixels plays no part, and its value is 0: others keep theirs.
 */
export const kernelShap: Method = {
  name: 'kernel-shap',
  title: 'KernelSHAP',
  paper: 'Lundberg and Lee, NIPS 2017',
  options: superpixelOptions,
  layers: 'none',
  finish: 'relu',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const segmentation = superpixelsOf(scene, options);
    const { segments } = segmentation;
    const { samples, weights, count } = coalitionSamples({
      segments,
      count: options.samples as number,
      seed: options.seed as string,
    });
    const projection = shapProjection(samples, weights, count, segments);
    return paintedSurrogate(scene, segmentation, samples, projection, options);
  },
};
