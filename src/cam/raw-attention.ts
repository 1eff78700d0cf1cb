import { blockAt, blockOption, meanOverHeads, ofAttention, rowOf } from './attention-maps.js';
import type { Method } from './method.js';

/**
 * Raw attention: A. Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021, section 4.5, one
 * block's.
 *
 *   raw = mean over heads of A[class token, patches]        A the last block's attention
 *
 * It shows where the block looks, whatever the class. Distilled networks read two tokens: half of each one's row.
 */
export const rawAttention: Method = {
  ...ofAttention,
  name: 'raw-attention',
  title: 'Raw attention',
  paper: 'Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021',
  options: blockOption,
  usesTarget: false,
  record: (scene, { block }) =>
    rowOf(scene, meanOverHeads(scene, scene.trace.value(blockAt(scene, Number(block))))),
};
