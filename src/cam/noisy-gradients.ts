import type { Value } from '../gpu/value.js';
import { channelSlice } from '../kernels/channel-slice.js';
import { runningMoments } from '../kernels/running-moments.js';
import { backToInput } from './backprop.js';
import { mostPasses } from './budget.js';
import type { OptionSpec, OptionValues, Scene } from './method.js';

/** Options of methods that look at the gradients of noisy copies of the image. */
export const noiseOptions = {
  copies: { default: 16, min: 1, max: mostPasses, about: 'number of noisy copies' },
  sigma: {
    default: 0.3,
    min: 0,
    whole: false,
    about: 'standard deviation of the noise on the normalised input',
  },
  seed: { default: 'noise', about: 'name that seeds the noise' },
} satisfies Record<string, OptionSpec>;

/** Mean or population variance over noisy copies of d target / d input, [N,3,H,W]; the class is that of the image without noise. */
export function noisyGradients(
  scene: Scene,
  { copies, sigma, seed }: OptionValues,
  moment: 'mean' | 'variance',
): Value {
  const { recorder, input } = scene;
  const { k } = recorder;
  let moments: Value | undefined;
  for (let copy = 0; copy < Number(copies); copy++) {
    recorder.cut(1);
    const g = backToInput(scene.noisy(`${seed}:${copy}`, sigma as number));
    const share = recorder.constant(Float32Array.of(1 / (copy + 1)));
    moments = k(runningMoments, { g, share }, {}, { into: moments });
  }
  recorder.cut();
  const [N, C, H, W] = input.shape;
  const both = moments!.reshape([1, 2, N * C, H * W]);
  const wanted = { k0: moment === 'mean' ? 0 : 1, channels: 1 };
  return k(channelSlice, { x: both }, wanted).reshape([N, C, H, W]);
}
