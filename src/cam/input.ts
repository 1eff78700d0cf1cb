import type { Recorder } from '../gpu/recorder.js';
import { Tensor } from '../gpu/tensor.js';
import { Value } from '../gpu/value.js';
import { Photo, preprocessPhotos } from '../image/photo.js';
import type { Net } from '../net/net.js';

/** What can be explained: photos (preprocessed as the network wants), or a ready input [N,3,H,W]. */
export type NetInput = Photo | readonly Photo[] | Tensor | Value;

/** Records what is needed to have the input as [N,3,H,W]. */
export function inputValue(recorder: Recorder, net: Net, input: NetInput): Value {
  if (input instanceof Tensor || input instanceof Value) return recorder.value(input);
  return preprocessPhotos(recorder, input instanceof Photo ? [input] : input, net.preprocessing);
}

/** For each of N images the first that is the same photo: itself, unless a photo was given more than once. */
export const picturesOf = (input: NetInput, N: number): readonly number[] =>
  Array.from({ length: N }, (_, i) => (Array.isArray(input) ? input.indexOf(input[i]) : i));
