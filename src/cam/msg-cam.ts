import type { Value } from '../gpu/value.js';
import { addResized } from '../kernels/add-resized.js';
import { groupSum } from '../kernels/group-sum.js';
import { relu } from '../kernels/relu.js';
import { resizedMean } from '../kernels/resized-mean.js';
import { denoised, groupOptions, groupSaliency } from './group-saliency.js';
import type { Method } from './method.js';
import { scaleOptions, scalesOf } from './scales.js';

/**
 * MSG-CAM: the image enlarged in steps for sharper maps, and Group-CAM's scoring of what they show together. From the master's thesis this
 * project follows.
 *
 *   1. sizes z_t = z_0 + floor(z_max / N) (t - 1); over those at which the most likely class is still c: Abar, Gbar = means of up(A_t), up(G_t)
 *   2. W[k] = mean_ij(Gbar[k]), M[k] = W[k] Abar[k]
 *   3. M_r = relu(sum over the channels of group r), without its values up to the theta-th percentile
 *   4. I_r = I mm(M_r) + blur(I) (1 - mm(M_r)),  a_r = p_c(I_r) - p_c(blur(I))
 *   5. raw = sum over r of a_r M_r, at the input's size
 *
 * Means, weights and sums of groups are linear in A and G, so they are taken at the layer's size: B maps a size are enlarged, not 2 K.
 */
export const msgCam: Method = {
  name: 'msg-cam',
  title: 'MSG-CAM',
  paper: 'the thesis this project follows',
  options: {
    ...scaleOptions,
    ...groupOptions,
    weigh: {
      default: 'denoised',
      choices: ['denoised', 'noisy'],
      about: 'group maps that are added up in the end',
    },
  },
  layers: 'one',
  finish: 'relu',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const { recorder, input } = scene;
    const { k } = recorder;
    const [N, , H, W] = input.shape;
    const outputSize = [H, W] as const;
    const scales = scalesOf(scene, 'msg-cam', options);
    const K = scales.features[0].A.shape[1];

    let weights: Value | undefined;
    scales.features.forEach(({ G }, t) => {
      const x = resizedMean(recorder, G, outputSize).reshape([N, K, 1, 1]);
      const how = { outputSize: [1, 1], first: t === 0 } as const;
      weights = k(addResized, { x, gate: scales.share(t) }, how, { into: weights });
    });
    const groups = Math.min(options.groups as number, K);
    const w = weights!.reshape([N, K]);
    let sums: Value | undefined;
    scales.features.forEach(({ A }, t) => {
      const x = k(groupSum, { x: A, w }, { groups });
      const how = { outputSize, first: t === 0 };
      sums = k(addResized, { x, gate: scales.share(t) }, how, { into: sums });
    });
    const noisy = k(relu, { x: sums! });
    const maps = denoised(scene, noisy, options.theta as number);
    return groupSaliency(
      scene,
      maps,
      options,
      options.weigh === 'noisy' ? { weighted: noisy } : {},
    );
  },
};
