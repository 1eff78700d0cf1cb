import type { Value } from '../gpu/value.js';
import { pathPoints } from '../kernels/path-points.js';
import { pathSum } from '../kernels/path-sum.js';
import { backToInput } from './backprop.js';
import { baselineOf, baselineOptions, reportDelta } from './baseline.js';
import { batchesOf, copiesWithin, mostPasses } from './budget.js';
import { batchOption } from './masked-scores.js';
import { type Method, zeros } from './method.js';

/** Points of the path that are looked at in one pass, for one image: more would not be faster. */
const mostPoints = 16;

/**
 * Integrated gradients: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, section 3 and 5.
 *
 *   raw = (I - I') * mean over t of d y_c / d I at I' + a_t (I - I')  [3,H,W], signed
 *   a_t = t / m (right Riemann sum) or (t - 1/2) / m (midpoints), t = 1 .. m
 *
 * The attributions add up to y_c(I) - y_c(I') as m grows. What they miss is in the summary: `convergenceDelta`, as captum has it.
 */
export const integratedGradients: Method = {
  name: 'integrated-gradients',
  title: 'Integrated gradients',
  paper: 'Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017',
  options: {
    steps: {
      default: 20,
      min: 1,
      max: mostPasses,
      about: 'points of the path from the baseline to the image',
    },
    rule: {
      default: 'right',
      choices: ['right', 'middle'],
      about: 'where in each step the gradient is taken: at its end, or in its middle',
    },
    ...baselineOptions,
    ...batchOption,
  },
  layers: 'none',
  finish: 'signed',
  passes: 'several',
  usesTarget: true,
  record: (scene, options) => {
    const { recorder, input: x } = scene;
    const { k } = recorder;
    const base = baselineOf(scene, options);
    const steps = options.steps as number;
    const most = Number(options.batch) || copiesWithin(scene, ['input'], mostPoints);
    const shift = options.rule === 'right' ? 1 : 0.5;
    let raw: Value | undefined;
    for (const { first, begin, fresh, size: batch } of batchesOf(steps, most)) {
      recorder.cut(fresh);
      const ofPoints = (value: (t: number) => number) =>
        recorder.constant(Float32Array.from({ length: batch }, (_, j) => value(first + j)));
      const at = ofPoints((t) => (t + shift) / steps);
      // Points that the batch before had, too, have no weight.
      const w = ofPoints((t) => (t < begin ? 0 : 1 / steps));
      const g = backToInput(scene.on(k(pathPoints, { x, at, base }), batch));
      raw = k(pathSum, { g, w, x, base }, { first: begin === 0 }, { into: raw });
    }
    recorder.cut();
    const start = scene.on(base ?? zeros(recorder, x.shape), 1);
    reportDelta(scene, raw!, start.seed(start.trace).score);
    return raw!;
  },
};
