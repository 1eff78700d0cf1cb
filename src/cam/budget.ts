import { ShapeError } from '../errors.js';
import { Recorder } from '../gpu/recorder.js';
import { placeholder } from '../gpu/value.js';
import type { Scene } from './method.js';

/** Passes of a method, or batches of them, at most: all are recorded before the first one runs, seconds for as many as this. */
export const mostPasses = 5000;

/**
 * How many copies at once: as many as stay within `bytes`, reckoned from the cost of one and of two, and as the device's bindings hold.
 *
 * @param costOf plans so many. @returns the bytes they take. @throws ShapeError where a tensor would outgrow the device's largest binding
 * @returns 1 to `most`
 * @throws ShapeError if `bytes` is negative, or not even one can be planned
 */
export function mostWithin(costOf: (count: number) => number, bytes: number, most: number): number {
  if (!(bytes >= 0)) throw new ShapeError(`memory is ${bytes} bytes, should be 0 or more`);
  const one = costOf(1);
  const two = planned(costOf, 2);
  if (two === undefined) return 1;
  const more = Math.max(1, two - one);
  let count = Math.max(1, Math.min(most, 1 + Math.floor((bytes - one) / more)));
  if (count <= 2 || planned(costOf, count) !== undefined) return count;
  // `held` can be bound, `count` cannot.
  let held = 2;
  while (count - held > 1) {
    const middle = Math.floor((held + count) / 2);
    if (planned(costOf, middle) === undefined) count = middle;
    else held = middle;
  }
  return held;
}

/** A part of `count` copies: `size` of them from `first` on, of which those from `begin` on are new, `fresh` of them. */
interface Batch {
  readonly first: number;
  readonly begin: number;
  readonly fresh: number;
  readonly size: number;
}

/**
 * `count` copies in as few batches of one size as `most` at once allow. The last batch repeats some copies of the one before: another size would
 * need pipelines of its own.
 */
export function batchesOf(count: number, most: number): readonly Batch[] {
  const size = Math.ceil(count / Math.ceil(count / Math.min(most, count)));
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => {
    const begin = i * size;
    return {
      first: Math.min(begin, count - size),
      begin,
      fresh: Math.min(size, count - begin),
      size,
    };
  });
}

function planned(costOf: (count: number) => number, count: number): number | undefined {
  try {
    return costOf(count);
  } catch (error) {
    if (error instanceof ShapeError) return undefined;
    throw error;
  }
}

/** Copies of each image of a scene of which one pass forward and back to `nodes` stays within its memory; 1 to `most`. */
export function copiesWithin(scene: Scene, nodes: readonly string[], most: number): number {
  const { net, target, recorder } = scene;
  const [N, ...size] = scene.input.shape;
  const from = target.node ?? net.graph.output;
  const costOf = (images: number) => {
    const planned = new Recorder(recorder.caps);
    const copies = placeholder([images, ...size]);
    const trace = net.trace(planned, copies, { backwardTo: nodes });
    const dy = placeholder(trace.value(from).shape);
    const gradients = trace.backward(from, dy, nodes);
    return planned.plan([...gradients.values()]).arenaBytes + 2 * copies.byteLength;
  };
  return Math.max(1, Math.floor(mostWithin(costOf, scene.memoryBytes, most * N) / N));
}
