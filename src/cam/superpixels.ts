import type { Value } from '../gpu/value.js';
import { linear } from '../kernels/linear.js';
import { paintSegments } from '../kernels/paint-segments.js';
import { quickshift } from '../kernels/quickshift.js';
import { type Segmentation, slic } from '../kernels/slic.js';
import type { MaskSource } from '../net/masked-input.js';
import { blurred } from './group-saliency.js';
import { batchOption, maskedScores } from './masked-scores.js';
import type { OptionSpec, OptionValues, Scene } from './method.js';

/** Options of methods that switch superpixels on and off. */
export const superpixelOptions = {
  samples: {
    default: 1000,
    min: 2,
    max: 100_000,
    about: 'number of images with some superpixels off',
  },
  segments: { default: 50, min: 1, about: 'about how many superpixels (SLIC)' },
  compactness: {
    default: 10,
    above: 0,
    whole: false,
    about: 'weight of place against colour (SLIC)',
  },
  segmentation: {
    default: 'slic',
    choices: ['slic', 'quickshift'],
    about: 'how the image is cut into superpixels',
  },
  off: { default: 'grey', choices: ['grey', 'blur'], about: 'what shows where one is off' },
  seed: { default: 'samples', about: 'name that seeds the samples' },
  ...batchOption,
} satisfies Record<string, OptionSpec>;

/** Superpixels of each image of a scene. */
export function superpixelsOf(scene: Scene, options: OptionValues): Segmentation {
  const { recorder, input, net } = scene;
  const { mean, std } = net.preprocessing;
  if (options.segmentation === 'quickshift') return quickshift(recorder, input, { mean, std });
  return slic(recorder, input, {
    segments: options.segments as number,
    compactness: options.compactness as number,
    mean,
    std,
  });
}

/**
 * A linear surrogate of the class's probability over superpixels, painted: [N,H,W].
 *
 * @param samples [count,S] of 0 (off) and 1, the same for all images
 * @param projection [S,count]: takes the samples' scores to the superpixels' coefficients
 */
export function paintedSurrogate(
  scene: Scene,
  { labels, segments }: Segmentation,
  samples: Float32Array,
  projection: Float32Array,
  options: OptionValues,
): Value {
  const { recorder, input } = scene;
  const { k } = recorder;
  const count = samples.length / segments;
  const masks: MaskSource = {
    kind: 'switches',
    count,
    field: recorder.constant(samples, [count, 1, segments]),
    labels,
  };
  const canvas = options.off === 'blur' ? blurred(scene, { blur: 51, sigma: 50 }) : undefined;
  const scores = maskedScores(scene, masks, { options }, { x: input, canvas });
  const w = recorder.constant(projection, [segments, count]);
  return k(paintSegments, { labels, values: k(linear, { x: scores, w }) });
}
