import type { Value } from '../gpu/value.js';
import { blurColumns, blurRows, gaussianWeights } from '../kernels/gaussian-blur.js';
import { percentileRows } from '../kernels/percentile-rows.js';
import { relu } from '../kernels/relu.js';
import { scoreWeights } from '../kernels/score-weights.js';
import { thresholdRows } from '../kernels/threshold-rows.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { batchOption, maskedScores, scoreOf } from './masked-scores.js';
import { mapMasks } from './masks.js';
import type { OptionSpec, OptionValues, Scene } from './method.js';

/** Options of Group-CAM and MSG-CAM, with the papers' defaults. */
export const groupOptions = {
  groups: {
    default: 32,
    min: 1,
    about: 'groups of adjacent channels, as even as can be; at most one a channel',
  },
  theta: {
    default: 70,
    min: 0,
    max: 100,
    whole: false,
    about: 'percentile up to which a group map is taken for noise and becomes 0',
  },
  blur: { default: 51, min: 1, about: "side of the canvas's gaussian blur, pixels; odd" },
  sigma: { default: 50, above: 0, whole: false, about: 'standard deviation of the blur, pixels' },
  ...batchOption,
} satisfies Record<string, OptionSpec>;

/** An image blurred: what shows where a mask is 0. */
export function blurred(scene: Scene, { blur, sigma }: OptionValues): Value {
  const { recorder, input } = scene;
  const w = recorder.constant(gaussianWeights(blur as number, sigma as number));
  return recorder.k(blurColumns, { x: recorder.k(blurRows, { x: input, w }), w });
}

/** Group maps [N,B,h,w] without their values at or below the percentile: the noise. */
export function denoised(scene: Scene, maps: Value, percent: number): Value {
  const { k } = scene.recorder;
  const [N, B, h, w] = maps.shape;
  const x = maps.reshape([N * B, h * w]);
  return k(thresholdRows, { x, threshold: k(percentileRows, { x }, { percent }) }).reshape(
    maps.shape,
  );
}

/**
 * What the maps of groups of channels are worth: each blends the image into its blurred self, and the probability it wins is its weight.
 *
 *   I_r = I mm(up(M_r)) + blur(I) (1 - mm(up(M_r))),  a_r = p_c(I_r) - p_c(blur(I)),  raw = sum over r of a_r M_r
 *
 * @param maps M [N,B,h,w]
 * @param weighted the maps that are added up, if not these
 */
export function groupSaliency(
  scene: Scene,
  maps: Value,
  options: OptionValues,
  { onlyGains = false, weighted = maps }: { onlyGains?: boolean; weighted?: Value } = {},
): Value {
  const { k } = scene.recorder;
  const canvas = blurred(scene, options);
  const { masks, range } = mapMasks(scene, maps);
  // Groups are made by the class's gradients.
  const scoring = { options, differByClass: true };
  const scores = maskedScores(scene, masks, scoring, { x: scene.input, canvas });
  const a = k(scoreWeights, { scores, baseline: scoreOf(scene, canvas), range });
  return k(weightedSum, { x: weighted, w: onlyGains ? k(relu, { x: a }) : a });
}
