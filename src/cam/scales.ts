import { TargetError } from '../errors.js';
import type { Value } from '../gpu/value.js';
import { channelSlice } from '../kernels/channel-slice.js';
import { keepsClass } from '../kernels/keeps-class.js';
import { keptShares } from '../kernels/kept-shares.js';
import { resizeBicubic } from '../kernels/resize-bicubic.js';
import { resizeBilinear } from '../kernels/resize-bilinear.js';
import { mostPasses } from './budget.js';
import {
  type Features,
  featuresAt,
  type OptionSpec,
  type OptionValues,
  type Scene,
} from './method.js';

/** Options of methods that ask the network about enlarged images. */
export const scaleOptions = {
  steps: { default: 4, min: 1, max: mostPasses, about: 'number of sizes N' },
  size: {
    default: 0,
    min: 0,
    about: "upper size z_max: size t is z_0 + floor(z_max / N) (t - 1); 0 for the input's own, z_0",
  },
  resize: {
    default: 'bilinear',
    choices: ['bilinear', 'bicubic'],
    about: 'how the image is enlarged',
  },
  keep: {
    default: 'class',
    choices: ['class', 'all'],
    about: 'sizes at which the class is still the most likely one, or all',
  },
} satisfies Record<string, OptionSpec>;

/** What a layer shows at several sizes of the image. */
export interface Scales {
  /** Activations and gradients at each size. */
  readonly features: readonly Features[];
  /** The weight of each size in a mean over those that are kept, [T,N]; its columns add up to 1. */
  readonly shares: Value;
  /** One size's row of {@link shares}, [N]. */
  share(t: number): Value;
}

/**
 * Sizes [H,W] an image of H x W is enlarged to: z_0 + floor(z_max / N) (t - 1) for its shorter side, the longer in proportion.
 *
 * @param upper z_max; 0 for the shorter side
 */
export function sizesOf(
  [H, W]: readonly [number, number],
  steps: number,
  upper: number,
): [number, number][] {
  const z0 = Math.min(H, W);
  const step = Math.floor((upper || z0) / steps);
  return Array.from({ length: steps }, (_, t) => {
    const scale = (z0 + step * t) / z0;
    return [Math.round(H * scale), Math.round(W * scale)];
  });
}

/**
 * Runs the network forward and backward at each size, and finds at which the class is kept; on the GPU, nothing is read back. Where no size
 * keeps the class of an image the explanation fails with a TargetError that says so.
 */
export function scalesOf(scene: Scene, method: string, options: OptionValues): Scales {
  const { recorder, input } = scene;
  const { k } = recorder;
  const [N, , H, W] = input.shape;
  const sizes = sizesOf([H, W], options.steps as number, options.size as number);
  const T = sizes.length;
  const all = options.keep === 'all';
  let gates: Value | undefined;
  const features = sizes.map((outputSize, t) => {
    recorder.cut(1);
    const resize = options.resize === 'bicubic' ? resizeBicubic : resizeBilinear;
    const trace = t === 0 ? scene.trace : scene.retrace(k(resize, { x: input }, { outputSize }));
    if (!all) {
      const reads = { y: trace.output, choice: scene.choice() };
      gates = k(keepsClass, reads, { row: t, rows: T }, { into: gates });
    }
    return featuresAt(scene, trace, scene.layers[0]);
  });
  recorder.cut();
  let shares: Value;
  if (all) {
    shares = recorder.constant(new Float32Array(T * N).fill(1 / T), [T, N]);
  } else {
    const kept = k(keptShares, { gates: gates! });
    shares = kept.shares;
    scene.demand(kept.count, (image) => {
      const list = sizes.map(([h, w]) => `${h} x ${w}`).join(', ');
      return new TargetError(
        `${method}: ${N > 1 ? `image ${image}` : 'the image'} is taken for another class at every size (${list}), should be for the class explained at one: explain the predicted class, or keep all sizes with keep=all`,
      );
    });
  }
  return {
    features,
    shares,
    share: (t) =>
      k(channelSlice, { x: shares.reshape([1, T, N, 1]) }, { k0: t, channels: 1 }).reshape([N]),
  };
}
