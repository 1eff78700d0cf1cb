import type { Value } from '../gpu/value.js';
import { addResized } from '../kernels/add-resized.js';
import { multiscaleProduct } from '../kernels/multiscale-product.js';
import { packRows } from '../kernels/pack-rows.js';
import { resizedMean } from '../kernels/resized-mean.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import type { Method, Scene } from './method.js';
import { type Scales, scaleOptions, scalesOf } from './scales.js';

/**
 * CAMERAS: M. A. A. K. Jalwana et al., "CAMERAS: Enhanced Resolution And Sanity preserving Class Activation Mapping for image saliency",
 * CVPR 2021.
 *
 *   Abar, Gbar = means of up(A), up(G) over the sizes at which the class is kept,  raw = relu(sum over k of Gbar[k] Abar[k]), at the input's size
 *
 * As the authors' program does, elementwise; option `weights` = `mean` takes mean_ij(Gbar[k]) as a weight. They resize the image bicubically:
 * preset `authors`.
 */
export const cameras: Method = {
  name: 'cameras',
  title: 'CAMERAS',
  paper: 'Jalwana et al., "CAMERAS", CVPR 2021',
  options: {
    ...scaleOptions,
    weights: {
      default: 'elementwise',
      choices: ['elementwise', 'mean'],
      about: 'gradients weigh each pixel, or their mean each channel',
    },
  },
  presets: { authors: { resize: 'bicubic' } },
  layers: 'one',
  finish: 'relu',
  passes: 'several',
  usesTarget: true,
  record: (scene, options) => {
    const scales = scalesOf(scene, 'cameras', options);
    return options.weights === 'mean' ? byMeans(scene, scales) : elementwise(scene, scales);
  },
};

function elementwise({ recorder, input }: Scene, { features, shares }: Scales): Value {
  const { k } = recorder;
  const total = features.reduce((sum, { A }) => sum + A.size, 0);
  const table: number[] = [];
  let a: Value | undefined;
  let g: Value | undefined;
  let offset = 0;
  for (const { A, G } of features) {
    a = k(packRows, { x: A }, { offset, total }, { into: a });
    g = k(packRows, { x: G }, { offset, total }, { into: g });
    table.push(offset, A.shape[2], A.shape[3]);
    offset += A.size;
  }
  const scales = recorder.constant(Uint32Array.from(table), [features.length, 3]);
  const [, channels] = features[0].A.shape;
  const outputSize = [input.shape[2], input.shape[3]] as const;
  return k(multiscaleProduct, { a: a!, g: g!, scales, shares }, { channels, outputSize });
}

/** raw = sum over t of share_t up(sum over k of W[k] A_t[k]): enlarging is linear, so the channels are added up before it. */
function byMeans({ recorder, input }: Scene, { features, share }: Scales): Value {
  const { k } = recorder;
  const [N, , H, W] = input.shape;
  const K = features[0].A.shape[1];
  let weights: Value | undefined;
  features.forEach(({ G }, t) => {
    const x = resizedMean(recorder, G, [H, W]).reshape([N, K, 1, 1]);
    const how = { outputSize: [1, 1], first: t === 0 } as const;
    weights = k(addResized, { x, gate: share(t) }, how, { into: weights });
  });
  let raw: Value | undefined;
  features.forEach(({ A }, t) => {
    const [, , h, w] = A.shape;
    const x = k(weightedSum, { x: A, w: weights!.reshape([N, K]) }).reshape([N, 1, h, w]);
    const how = { outputSize: [H, W], first: t === 0 } as const;
    raw = k(addResized, { x, gate: share(t) }, how, { into: raw });
  });
  return raw!.reshape([N, H, W]);
}
