import {
  arrivingAt,
  blocksFrom,
  ofAttention,
  positiveMean,
  rollout,
  startOption,
} from './attention-maps.js';
import type { Method } from './method.js';

/**
 * Gradient times attention: H. Chefer, S. Gur, L. Wolf, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
 * Transformers", ICCV 2021, equations 5 and 6, for self-attention.
 *
 *   R = I, then for each block R = R + mean over heads of relu(G A) R;   raw = R[class token, patches]        G = d y_c / d A
 */
export const genericAttention: Method = {
  ...ofAttention,
  name: 'generic-attention',
  title: 'Generic attention (gradient x attention)',
  paper: 'Chefer et al., "Generic Attention-model Explainability", ICCV 2021',
  options: startOption,
  record: (scene, { start }) => {
    const blocks = blocksFrom(scene, Number(start));
    const gradients = arrivingAt(scene, blocks);
    const matrices = blocks.map((name, b) =>
      positiveMean(scene, scene.trace.value(name), gradients[b]),
    );
    return rollout(scene, matrices);
  },
};
