import type { Value } from '../gpu/value.js';
import { fuseMaps } from '../kernels/fuse-maps.js';
import { sumRows } from '../kernels/sum-rows.js';
import { blurred } from './group-saliency.js';
import type { OptionValues, Scene } from './method.js';

/** Options of methods that hold the image against a baseline I'. */
export const baselineOptions = {
  baseline: {
    default: 'mean',
    choices: ['mean', 'black', 'blur'],
    about: 'what the image is held against: the mean colour, black, or the image blurred',
  },
  blur: { default: 51, min: 1, about: "side of the baseline's gaussian blur, pixels; odd" },
  sigma: { default: 50, above: 0, whole: false, about: 'standard deviation of the blur, pixels' },
} as const;

/** The baseline of each image [N,3,H,W], by {@link baselineOptions}; undefined for zeros, the mean colour. */
export function baselineOf(scene: Scene, options: OptionValues): Value | undefined {
  if (options.baseline === 'mean') return undefined;
  if (options.baseline === 'blur') return blurred(scene, options);
  const { mean, std } = scene.net.preprocessing;
  const [N, C, H, W] = scene.input.shape;
  const data = new Float32Array(N * C * H * W);
  for (let i = 0; i < N * C; i++) data.fill(-mean[i % C] / std[i % C], i * H * W, (i + 1) * H * W);
  return scene.recorder.constant(data, [N, C, H, W]);
}

/**
 * Puts the sum of the attributions less y(I) - y(I') beside the map: `convergenceDelta`, as captum has it.
 *
 * @param atBaseline y(I') [N]
 */
export function reportDelta(scene: Scene, raw: Value, atBaseline: Value): void {
  const { recorder, input, trace } = scene;
  const { k } = recorder;
  const [N] = input.shape;
  const sum = k(sumRows, { x: raw.reshape([N, raw.size / N]) });
  const delta = k(fuseMaps, { x: sum }, { mode: 'sum', first: true });
  const further = { mode: 'sum', first: false } as const;
  k(fuseMaps, { x: scene.seed(trace).score }, { ...further, weight: -1 }, { into: delta });
  k(fuseMaps, { x: atBaseline }, further, { into: delta });
  scene.report('convergenceDelta', delta);
}
