import { LayerError } from '../errors.js';
import { add } from '../kernels/add.js';
import { areaGradient, areaPercent } from '../kernels/area-gradient.js';
import { percentileRows } from '../kernels/percentile-rows.js';
import { scaleShift } from '../kernels/scale-shift.js';
import { mostPasses } from './budget.js';
import {
  canvasOf,
  canvasOptions,
  cellsOf,
  descend,
  enlarged,
  gathered,
  scoreSlope,
} from './mask-descent.js';
import type { ScoreKind } from './masked-scores.js';
import type { Method } from './method.js';

/**
 * Extremal perturbation: R. Fong, M. Patrick, A. Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", ICCV
 * 2019: the mask of a given area that keeps a class's score highest.
 *
 *   raw = up(m),   m = argmax of y_c(I up(m) + canvas (1 - up(m))) - weight_t mean (sorted up(m) - r_a)^2
 *
 * r_a has ones for the area's pixels and zeros for the others. The score is the logit, the weight begins at 300 and grows 16-fold, and m begins
 * at 1, as in the authors' TorchRay (300 * 1.0035^t over 800 steps). Unlike theirs: smooth masks are coarse cells enlarged bilinearly, a
 * linear map, where they take a soft maximum of gaussians: edges are as wide as a cell and no blob is smaller than one; Adam for descent with
 * momentum, in fewer steps; one blur for a pyramid of eight; no mirroring of every other image.
 */
export const extremalPerturbation: Method = {
  name: 'extremal-perturbation',
  title: 'Extremal perturbation',
  paper: 'Fong et al., "Extremal Perturbations and Smooth Masks", ICCV 2019',
  options: {
    area: { default: 0.1, min: 0, about: 'share of the picture that stays: above 0, at most 1' },
    score: {
      default: 'logit',
      choices: ['logit', 'probability'],
      about: 'what is kept high; a probability is flat where it is near 0 or 1',
    },
    steps: { default: 100, min: 1, max: mostPasses, about: 'steps of Adam' },
    rate: { default: 0.05, min: 0, about: "Adam's step size" },
    cells: { default: 14, min: 1, about: "cells along the mask's sides: fewer are smoother" },
    weight: { default: 300, min: 0, whole: false, about: 'weight of the area at first' },
    growth: { default: 16, min: 1, whole: false, about: 'how many times larger it is at last' },
    ...canvasOptions,
  },
  layers: 'none',
  finish: 'none',
  passes: 'many',
  usesTarget: true,
  ignoresProbability: ({ score }) => score === 'logit',
  record: (scene, options) => {
    const { recorder, input } = scene;
    const { k } = recorder;
    const [N, , H, W] = input.shape;
    const { area, steps, rate, weight, growth } = options as Record<string, number>;
    if (!(area > 0 && area <= 1)) {
      throw new LayerError(
        `extremal-perturbation: area ${area} should be above 0, and 1 or less: a share of the picture`,
      );
    }
    const kept = Math.max(1, Math.round(area * H * W));
    const percent = areaPercent(H * W, kept);
    const canvas = canvasOf(scene, options);
    const line = (factor: number) => recorder.constant(new Float32Array([factor, 0]));
    const rows = k(scaleShift, { x: scene.choice(), line: line(-1) });
    const score = { kind: options.score as ScoreKind, rows };
    const m = descend(scene, {
      ...{ cells: cellsOf(scene, options), start: 1, steps, rate },
      gradient: (m, step) => {
        const mask = enlarged(scene, m);
        const slope = scoreSlope(scene, mask, canvas, score);
        const pixels = mask.reshape([N, H * W]);
        const threshold = k(percentileRows, { x: pixels }, { percent });
        const away = k(areaGradient, { m: pixels, threshold }, { kept });
        const held = k(scaleShift, { x: away, line: line(weight * growth ** (step / steps)) });
        return gathered(scene, k(add, { a: slope, b: held }), m);
      },
    });
    return enlarged(scene, m).reshape([N, H, W]);
  },
};
