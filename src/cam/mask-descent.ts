import { LayerError } from '../errors.js';
import type { Value } from '../gpu/value.js';
import { adamRates, adamStep } from '../kernels/adam-step.js';
import { blend } from '../kernels/blend.js';
import { channelSlice } from '../kernels/channel-slice.js';
import { maskGradient } from '../kernels/mask-gradient.js';
import { resizeBilinear } from '../kernels/resize-bilinear.js';
import { resizeBilinearBackward } from '../kernels/resize-bilinear-backward.js';
import { softmax } from '../kernels/softmax.js';
import { softmaxBackward } from '../kernels/softmax-backward.js';
import { blurred } from './group-saliency.js';
import type { ScoreKind } from './masked-scores.js';
import type { OptionSpec, OptionValues, Scene } from './method.js';

/** Options of methods that optimise a mask: the blur is that of R. Fong and A. Vedaldi, ICCV 2017. */
export const canvasOptions = {
  canvas: { default: 'blur', choices: ['blur', 'grey'], about: 'what shows where the mask is 0' },
  blur: { default: 61, min: 1, about: "side of the canvas's gaussian blur, pixels; odd" },
  sigma: { default: 10, above: 0, whole: false, about: 'standard deviation of the blur, pixels' },
} satisfies Record<string, OptionSpec>;

/** What shows where a mask is 0: the image blurred, or nothing for grey, the mean colour. */
export function canvasOf(scene: Scene, options: OptionValues): Value | undefined {
  return options.canvas === 'blur' ? blurred(scene, options) : undefined;
}

/** Rows and columns of a mask's cells: option `cells` of each, but no more than pixels. */
export function cellsOf(scene: Scene, { cells }: OptionValues): [number, number] {
  const [, , H, W] = scene.input.shape;
  return [Math.min(cells as number, H), Math.min(cells as number, W)];
}

/** How masks are optimised. */
export interface Descent {
  /** Rows and columns of cells. */
  readonly cells: readonly [number, number];
  /** What all cells are at first. */
  readonly start: number;
  readonly steps: number;
  /** Adam's step size. */
  readonly rate: number;
  /** Records the gradient of what is to become small, [N,1,h,w], at the masks m [N,1,h,w]; steps count from 1. */
  gradient(m: Value, step: number): Value;
}

/**
 * One mask for each image, moved down a gradient by Adam and held to 0..1. Each step is a submission of its own; all it leaves behind is the
 * masks and Adam's moments, so memory does not grow with the steps but for the few bytes of each step's constants.
 *
 * @returns [N,1,h,w], h and w the cells
 * @throws LayerError if `start` is no share
 */
export function descend(scene: Scene, { cells, start, steps, rate, gradient }: Descent): Value {
  const { recorder, input } = scene;
  const [N] = input.shape;
  const [h, w] = cells;
  if (!(start >= 0 && start <= 1)) {
    throw new LayerError(`a mask that starts as ${start} should start from 0 to 1: 0 hides all`);
  }
  const size = N * h * w;
  const state = recorder.constant(new Float32Array(3 * size).fill(start, 0, size), [3, size]);
  const mask = () =>
    recorder
      .k(channelSlice, { x: state.reshape([1, 3, N * h, w]) }, { channels: 1 })
      .reshape([N, 1, h, w]);
  for (let step = 1; step <= steps; step++) {
    recorder.cut(1);
    const g = gradient(mask(), step);
    const rates = recorder.constant(adamRates(step, rate));
    recorder.k(adamStep, { g, rates }, { low: 0, high: 1 }, { into: state });
  }
  recorder.cut();
  return mask();
}

/** Masks of cells [N,1,h,w] at the size of a scene's images, [N,1,H,W]. */
export function enlarged(scene: Scene, m: Value): Value {
  const [, , H, W] = scene.input.shape;
  return scene.recorder.k(resizeBilinear, { x: m }, { outputSize: [H, W] });
}

/**
 * Records the gradient of a score with respect to the masks that blend the images into a canvas: one forward and one backward pass.
 *
 * @param mask [N,1,H,W]
 * @param canvas shows where a mask is 0; nothing (grey) if missing
 * @param what rows [N,classes]: the score is their inner product with the probabilities, or with the logits
 * @returns [N,1,H,W]
 */
export function scoreSlope(
  scene: Scene,
  mask: Value,
  canvas: Value | undefined,
  { kind, rows }: { readonly kind: ScoreKind; readonly rows: Value },
): Value {
  const { recorder, net, input } = scene;
  const { k } = recorder;
  const [N, , H, W] = input.shape;
  const x = k(blend, { x: input, mask: mask.reshape([N, H, W]), canvas });
  const trace = net.trace(recorder, x, { backwardTo: ['input'] });
  const dy =
    kind === 'logit' ? rows : k(softmaxBackward, { dy: rows, y: k(softmax, { x: trace.output }) });
  const dx = trace.backward(net.graph.output, dy, ['input']).get('input')!;
  return k(maskGradient, { dx, image: input, canvas });
}

/** The gradient at the cells [N,1,h,w] of a gradient [N,1,H,W] at the enlarged masks. */
export function gathered(scene: Scene, dm: Value, like: Value): Value {
  const [, , h, w] = like.shape;
  return scene.recorder.k(resizeBilinearBackward, { dy: dm }, { inputSize: [h, w] });
}
