import { add } from '../kernels/add.js';
import { reluBackward } from '../kernels/relu-backward.js';
import { scaleShift } from '../kernels/scale-shift.js';
import { totalVariation } from '../kernels/total-variation.js';
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
import type { Method } from './method.js';

/**
 * Meaningful perturbation: R. Fong and A. Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation", ICCV 2017:
 * the deletion game.
 *
 *   m = argmin of l1 sum |1 - m| + l2 sum |difference of neighbours|^beta + p_c(I up(m) + canvas (1 - up(m))),   raw = 1 - up(m)
 *
 * Sums are over the cells of m, in 0..1; Adam makes it small. l1, l2, beta, the rate, the 28 cells and the blur of 10 are the paper's. Unlike
 * the paper: the descent starts with all hidden (`start`), not with the smallest disc that hides the class, and takes 100 steps, not 300; masks
 * are enlarged bilinearly and not smoothed again; images are not jittered. From `start=1` a class that is all but certain stays so: its
 * probability is flat there, and l1 wins.
 */
export const meaningfulPerturbation: Method = {
  name: 'meaningful-perturbation',
  title: 'Meaningful perturbation',
  paper: 'Fong and Vedaldi, "Meaningful Perturbation", ICCV 2017',
  options: {
    steps: { default: 100, min: 1, max: mostPasses, about: 'steps of Adam; the paper: 300' },
    rate: { default: 0.1, min: 0, about: "Adam's step size" },
    cells: { default: 28, min: 1, about: "cells along the mask's sides; at most the pixels" },
    start: { default: 0, min: 0, whole: false, about: 'mask at first: 0 hides all, 1 nothing' },
    l1: { default: 1e-4, min: 0, about: 'weight of what is hidden' },
    l2: { default: 1e-2, min: 0, about: 'weight of the total variation' },
    beta: { default: 3, min: 1, whole: false, about: 'power of the total variation' },
    ...canvasOptions,
  },
  layers: 'none',
  finish: 'none',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const { recorder, input } = scene;
    const { k } = recorder;
    const [N, , H, W] = input.shape;
    const { steps, rate, start, l1, l2, beta } = options as Record<string, number>;
    const cells = cellsOf(scene, options);
    const canvas = canvasOf(scene, options);
    const score = { kind: 'probability', rows: scene.choice() } as const;
    const complement = recorder.constant(new Float32Array([-1, 1]));
    const times = recorder.constant(new Float32Array([l2, 0]));
    const size = N * cells[0] * cells[1];
    const pull = recorder.constant(new Float32Array(size).fill(-l1), [N, 1, ...cells]);
    const m = descend(scene, {
      ...{ cells, start, steps, rate },
      gradient: (m) => {
        const slope = gathered(scene, scoreSlope(scene, enlarged(scene, m), canvas, score), m);
        // d |1 - m| is 0 where m is 1, as in automatic differentiation: what is shown is not held there.
        const hidden = k(scaleShift, { x: m, line: complement });
        const shown = k(reluBackward, { dy: pull, y: hidden });
        const rough = k(scaleShift, { x: k(totalVariation, { m }, { beta }), line: times });
        return k(add, { a: k(add, { a: slope, b: shown }), b: rough });
      },
    });
    return k(scaleShift, { x: enlarged(scene, m), line: complement }).reshape([N, H, W]);
  },
};
