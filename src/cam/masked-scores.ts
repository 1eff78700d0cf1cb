import type { Recorder } from '../gpu/recorder.js';
import { placeholder, type Value } from '../gpu/value.js';
import { selectedScores } from '../kernels/selected-scores.js';
import { softmax } from '../kernels/softmax.js';
import type { Net } from '../net/net.js';
import type { Scene } from './method.js';

/** Masked copies of the images of a batch, made a few at a time. */
export interface Masks {
  /** Masks an image has. */
  readonly count: number;
  /** Records copies first .. first + count of one image: [count,3,H,W]. */
  copies(image: number, first: number, count: number): Value;
}

/** What a copy scores: the chosen class's probability, or its logit. */
export type ScoreKind = 'probability' | 'logit';

/**
 * Scores of masked copies of each image of a scene, in batches that fit a memory budget, each a submission of its own. Only one batch of
 * copies is in memory at a time, so the peak does not grow with their number; it is counted by the plan.
 *
 * @param choice one-hot rows [N,classes]: the class of each image
 * @returns [N, masks.count]
 */
export function maskedScores(scene: Scene, masks: Masks, choice: Value, kind: ScoreKind): Value {
  const { recorder, net, input } = scene;
  const [N, , H, W] = input.shape;
  const most = batchWithin(recorder, net, [H, W], scene.memoryBytes);
  // Even batches: a last one of another size would need pipelines of its own.
  const batch = Math.ceil(masks.count / Math.ceil(masks.count / most));
  let scores: Value | undefined;
  for (let image = 0; image < N; image++) {
    for (let first = 0; first < masks.count; first += batch) {
      recorder.cut();
      const count = Math.min(batch, masks.count - first);
      const y = net.trace(recorder, masks.copies(image, first, count)).output;
      scores = recorder.k(
        selectedScores,
        { y: kind === 'probability' ? recorder.k(softmax, { x: y }) : y, choice },
        { image, first, total: masks.count },
        { into: scores },
      );
    }
  }
  recorder.cut();
  return scores!;
}

/** Largest batch whose activations and inputs stay within `bytes`, from two plans; at least 1, at most 64. */
export function batchWithin(
  recorder: Recorder,
  net: Net,
  inputSize: readonly [number, number],
  bytes: number,
): number {
  const costOf = (batch: number) => {
    const plan = net.plan(batch, { inputSize, caps: recorder.caps });
    return plan.arenaBytes + placeholder([batch, 3, ...inputSize]).byteLength;
  };
  const one = costOf(1);
  const more = Math.max(1, costOf(2) - one);
  return Math.max(1, Math.min(64, 1 + Math.floor((bytes - one) / more)));
}
