import { groupSum } from '../kernels/group-sum.js';
import { relu } from '../kernels/relu.js';
import { resizeBilinear } from '../kernels/resize-bilinear.js';
import { spatialMean } from '../kernels/spatial-mean.js';
import { denoised, groupOptions, groupSaliency } from './group-saliency.js';
import { featuresAt, type Method } from './method.js';

/**
 * Group-CAM: Q. Zhang et al., "Group-CAM: Group Score-Weighted Visual Explanations for Deep Convolutional Networks", 2021.
 *
 *   M_r = relu(sum over the channels k of group r of mean_ij(G[k]) A[k]), without its values up to the theta-th percentile
 *   I_r = I mm(M_r) + blur(I) (1 - mm(M_r)),  a_r = p_c(I_r) - p_c(blur(I)),  raw = sum over r of a_r M_r
 *
 * A is enlarged to the input's size first (`denoise=input`), or the percentile is that of the layer's maps (`denoise=layer`).
 * Preset `authors`: their program, without the percentile and with relu(a_r).
 *
 * Enlarging is linear, so the groups are added up before it: B maps are enlarged, not K.
 */
export const groupCam: Method = {
  name: 'group-cam',
  title: 'Group-CAM',
  paper: 'Zhang et al., "Group-CAM", 2021',
  options: {
    ...groupOptions,
    denoise: {
      default: 'input',
      choices: ['input', 'layer', 'none'],
      about: "size at which noise is taken off: the input's, the layer's, or not at all",
    },
    gains: { default: false, about: 'whether only groups that raise the probability count' },
  },
  presets: { authors: { denoise: 'none', gains: true } },
  layers: 'one',
  finish: 'relu',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const { input } = scene;
    const { k } = scene.recorder;
    const { A, G } = featuresAt(scene, scene.trace, scene.layers[0]);
    const outputSize = [input.shape[2], input.shape[3]] as const;
    const atInput = options.denoise === 'input';
    const w = k(spatialMean, { x: G });
    const groups = Math.min(options.groups as number, A.shape[1]);
    const sums = k(groupSum, { x: A, w }, { groups });
    const M = k(relu, { x: atInput ? k(resizeBilinear, { x: sums }, { outputSize }) : sums });
    const maps = options.denoise === 'none' ? M : denoised(scene, M, options.theta as number);
    return groupSaliency(scene, maps, options, { onlyGains: options.gains === true });
  },
};
