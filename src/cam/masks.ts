import type { Value } from '../gpu/value.js';
import { liveFirst } from '../kernels/live-first.js';
import { stretchMasks } from '../kernels/stretch-masks.js';
import { upsampledRange } from '../kernels/upsampled-range.js';
import type { MaskSource } from '../net/masked-input.js';
import type { Scene } from './method.js';

/**
 * Masks mm(up(maps)) of each image's own maps [N,K,h,w], enlarged as they are loaded. The range [N,K,2] is that of the enlarged maps.
 *
 * Maps that are constant, as those of dead channels are, mask everything: the network is asked about one of them for all.
 */
export function mapMasks(scene: Scene, maps: Value): { masks: MaskSource; range: Value } {
  const { k } = scene.recorder;
  const [N, K, h, w] = maps.shape;
  const [, , H, W] = scene.input.shape;
  const range = k(upsampledRange, { x: maps }, { outputSize: [H, W] });
  const { order, count } = k(liveFirst, { range });
  const field = k(stretchMasks, { x: maps, range, order }).reshape([N * K, h, w]);
  const asked = { order, count };
  return { masks: { kind: 'maps', count: K, field, perImage: true, asked }, range };
}
