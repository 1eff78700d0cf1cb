import { add } from '../kernels/add.js';
import { mixParts } from '../kernels/mix-parts.js';
import { multiply } from '../kernels/multiply.js';
import { deepLift, deepLiftTaps } from '../net/deep-lift.js';
import { backToInput } from './backprop.js';
import { baselineOf, baselineOptions, reportDelta } from './baseline.js';
import { type Method, zeros } from './method.js';

/**
 * DeepLIFT: A. Shrikumar, P. Greenside, A. Kundaje, "Learning Important Features Through Propagating Activation Differences", ICML 2017, rescale
 * rule.
 *
 *   raw = m (I - I')  [3,H,W], signed; m the multipliers of the pixels, of one backward pass that knows the baseline's forward pass
 *
 * The attributions add up to y_c(I) - y_c(I') where the network is made of convolutions, linear layers, ReLU, GELU, pooling and sums, and the
 * target is linear in the logits. What they miss is in the summary: `convergenceDelta`.
 */
export const deepLiftMethod: Method = {
  name: 'deeplift',
  title: 'DeepLIFT',
  paper: 'Shrikumar et al., "Learning Important Features", ICML 2017',
  options: {
    ...baselineOptions,
    pooling: {
      default: 'rescale',
      choices: ['rescale', 'gradient'],
      about:
        'whether max-pooling follows the rule, or passes on its gradient: then the sum is missed',
    },
  },
  layers: 'none',
  finish: 'signed',
  passes: 'one',
  usesTarget: true,
  taps: deepLiftTaps,
  record: (scene, options) => {
    const { recorder, input: x } = scene;
    const { k } = recorder;
    const base = baselineOf(scene, options);
    const reference = scene.retrace(base ?? zeros(recorder, x.shape));
    const pooling = options.pooling as 'rescale' | 'gradient';
    const m = backToInput(scene, deepLift(reference, { pooling }));
    const minus = recorder.constant(Float32Array.of(-1, 0, 0, 0, 0));
    const change = base ? k(add, { a: x, b: k(mixParts, { x: base, c: minus }) }) : x;
    const raw = k(multiply, { a: m, b: change });
    reportDelta(scene, raw, scene.seed(reference).score);
    return raw;
  },
};
