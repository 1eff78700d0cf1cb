import type { Value } from '../gpu/value.js';
import { addNoise } from '../kernels/add-noise.js';
import { fuseMaps } from '../kernels/fuse-maps.js';
import { scoreWeights } from '../kernels/score-weights.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { mostPasses } from './budget.js';
import { batchOption, maskedScores, scoreOf } from './masked-scores.js';
import { mapMasks } from './masks.js';
import { activationsAt, type Method, zeros } from './method.js';

/**
 * SS-CAM: H. Wang et al., "SS-CAM: Smoothed Score-CAM for Sharper Visual Feature Localization", 2020, with noise on the masked input.
 *
 *   w[k] = mean over j of p_c(I * m[k] + n_j) - p_c(0),  n_j ~ N(0, sigma^2),  m[k] = mm(up(A[k])),  raw = sum over k of w[k] A[k]
 *
 * All channels see the same noise, so that they are compared under equal conditions.
 */
export const ssCam: Method = {
  name: 'ss-cam',
  title: 'SS-CAM',
  paper: 'Wang et al., "SS-CAM", 2020',
  options: {
    copies: {
      default: 10,
      min: 1,
      max: mostPasses,
      about: 'number of noisy copies of each masked image',
    },
    sigma: {
      default: 0.5,
      min: 0,
      about: 'standard deviation of the noise on the normalised input',
    },
    seed: { default: 'noise', about: 'name that seeds the noise' },
    ...batchOption,
  },
  layers: 'one',
  finish: 'relu',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const { recorder, input } = scene;
    const { k } = recorder;
    const copies = options.copies as number;
    const A = activationsAt(scene.trace, scene.layers[0]);
    const { masks, range } = mapMasks(scene, A);
    const black = zeros(recorder, input.shape);
    let mean: Value | undefined;
    for (let copy = 0; copy < copies; copy++) {
      const noise = scene.noise(`${options.seed}:${copy}`, options.sigma as number);
      // I m + n is the image with the noise where the mask is 1, and the noise alone where it is 0.
      const x = k(addNoise, { x: input, noise });
      const canvas = k(addNoise, { x: black, noise });
      const scores = maskedScores(scene, masks, { options }, { x, canvas });
      const share = { mode: 'sum', weight: 1 / copies, first: copy === 0 } as const;
      mean = k(fuseMaps, { x: scores }, share, { into: mean });
    }
    const baseline = scoreOf(scene, zeros(recorder, [1, ...input.shape.slice(1)]));
    return k(weightedSum, { x: A, w: k(scoreWeights, { scores: mean!, baseline, range }) });
  },
};
