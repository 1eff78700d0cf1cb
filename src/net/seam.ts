import type { Recorder } from '../gpu/recorder.js';
import type { Value } from '../gpu/value.js';
import { narrow } from '../kernels/narrow.js';
import { widen } from '../kernels/widen.js';

/**
 * What the largest element of an image's seed becomes, 2^8 to 2^9, before gradients go back through a network of 16-bit values. Above it is room
 * for gradients 128 times the seed, before they overflow at 65504; below it they keep 11 bits down to 2^-22 of the seed (2^-14), and some
 * bits down to 2^-32 (2^-24). docs/decisions.md has what networks need.
 */
const gradientPeak = 8;

const rows = (x: Value, count: number): Value => x.reshape([count, x.size / count]);

const cast = (recorder: Recorder, part: string, record: () => Value): Value =>
  recorder.storing('f16', () => recorder.during(part, record));

/**
 * A 32-bit value as a network with 16-bit values reads it; one of 16 bits already as it is.
 *
 * @param range [N,4] of each image's seed: a gradient's scale follows from it, and {@link widened} takes it back
 */
export function narrowed(recorder: Recorder, x: Value, range?: Value): Value {
  if (x.dtype === 'f16') return x;
  const reads = { x: rows(x, range?.shape[0] ?? 1), range };
  const options = range && { peak: gradientPeak };
  return cast(recorder, 'to 16 bits', () => recorder.k(narrow, reads, options)).reshape(x.shape);
}

/** A network's 16-bit value as everyone else reads it; one of 32 bits already as it is. */
export function widened(recorder: Recorder, x: Value, range?: Value): Value {
  if (x.dtype !== 'f16') return x;
  const reads = { x: rows(x, range?.shape[0] ?? 1), range };
  const options = range && { peak: gradientPeak };
  return cast(recorder, 'to 32 bits', () => recorder.k(widen, reads, options)).reshape(x.shape);
}
