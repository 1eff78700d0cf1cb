import type { Value } from '../gpu/value.js';
import { fuseMaps } from '../kernels/fuse-maps.js';
import { scaleShift } from '../kernels/scale-shift.js';
import { scoreWeights } from '../kernels/score-weights.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { mostPasses } from './budget.js';
import { batchOption, maskedScores, scoreOf } from './masked-scores.js';
import { mapMasks } from './masks.js';
import { activationsAt, type Method, zeros } from './method.js';

/**
 * IS-CAM: R. Naidu et al., "IS-CAM: Integrated Score-CAM for axiomatic-based explanations", 2020.
 *
 *   w[k] = mean over i = 1 .. n of p_c(i/n I * m[k]) - p_c(0),  m[k] = mm(up(A[k])),  raw = sum over k of w[k] A[k]
 */
export const isCam: Method = {
  name: 'is-cam',
  title: 'IS-CAM',
  paper: 'Naidu et al., "IS-CAM", 2020',
  options: {
    steps: {
      default: 10,
      min: 1,
      max: mostPasses,
      about: 'number of intensities of each mask',
    },
    ...batchOption,
  },
  layers: 'one',
  finish: 'relu',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const { recorder, input } = scene;
    const { k } = recorder;
    const steps = options.steps as number;
    const A = activationsAt(scene.trace, scene.layers[0]);
    const { masks, range } = mapMasks(scene, A);
    let mean: Value | undefined;
    for (let step = 1; step <= steps; step++) {
      // An image of less intensity under a mask is the image under a mask of less intensity.
      const line = recorder.constant(Float32Array.of(step / steps, 0));
      const x = k(scaleShift, { x: input, line });
      const scores = maskedScores(scene, masks, { options }, { x });
      const share = { mode: 'sum', weight: 1 / steps, first: step === 1 } as const;
      mean = k(fuseMaps, { x: scores }, share, { into: mean });
    }
    const baseline = scoreOf(scene, zeros(recorder, [1, ...input.shape.slice(1)]));
    return k(weightedSum, { x: A, w: k(scoreWeights, { scores: mean!, baseline, range }) });
  },
};
