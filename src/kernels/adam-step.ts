import direct from '../../shaders/mask/adam-step.wgsl';
import { ShapeError } from '../errors.js';
import { groupsFor, kernel } from './kernel.js';

export interface AdamOptions {
  /** Bounds that the parameter is held to after the step. */
  readonly low: number;
  readonly high: number;
  /** How much of the first and second moment stays; 0.9 and 0.999 by default. */
  readonly betas?: readonly [number, number];
  /** Added to the divisor, above 0; 1e-8 by default. */
  readonly epsilon?: number;
}

/**
 * One step of Adam against a gradient, in place. D. P. Kingma and J. L. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015,
 * algorithm 1.
 *
 * g any shape, rates [2] (from {@link adamRates}) -> state [3,SIZE]: the parameter, its first and its second moment, read and written (record
 * with `into`: a constant, say, whose last two rows are 0). `channelSlice` takes the parameter out.
 */
export const adamStep = kernel({
  name: 'adamStep',
  reads: { g: '*', rates: '2' },
  results: { state: '3 SIZE' },
  derive: (_sizes, { low, high, betas = [0.9, 0.999], epsilon = 1e-8 }: AdamOptions) => {
    checkBetas(betas);
    if (!(low <= high)) {
      throw new ShapeError(`adamStep: low ${low} should be at most high ${high}`);
    }
    if (!(epsilon > 0)) throw new ShapeError(`adamStep: epsilon ${epsilon} should be above 0`);
    const [BETA1, BETA2] = betas;
    return {
      ...{ BETA1, REST1: 1 - BETA1, BETA2, REST2: 1 - BETA2 },
      ...{ EPSILON: epsilon, LOW: low, HIGH: high },
    };
  },
  flops: ({ SIZE }) => 14 * SIZE,
  variants: [{ name: 'direct', code: direct, groups: ({ SIZE }) => groupsFor(SIZE, 64) }],
});

/**
 * What {@link adamStep} needs to know of step t, counted from 1: rate / (1 - beta1^t) and 1 / sqrt(1 - beta2^t).
 *
 * A tensor and not an option, so that all steps are one pipeline; found here in float64, as 1 - beta2^t loses most digits in float32.
 */
export function adamRates(
  t: number,
  rate: number,
  betas: readonly [number, number] = [0.9, 0.999],
): Float32Array {
  checkBetas(betas);
  if (!Number.isInteger(t) || t < 1) {
    throw new ShapeError(`adamRates: step ${t} should be a whole number of at least 1`);
  }
  return new Float32Array([rate / (1 - betas[0] ** t), 1 / Math.sqrt(1 - betas[1] ** t)]);
}

function checkBetas(betas: readonly [number, number]): void {
  if (!betas.every((beta) => beta >= 0 && beta < 1)) {
    throw new ShapeError(`adamStep: betas [${betas}] should be from 0 to below 1`);
  }
}
