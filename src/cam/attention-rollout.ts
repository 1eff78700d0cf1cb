import { blocksFrom, meanOverHeads, ofAttention, rollout, startOption } from './attention-maps.js';
import type { Method } from './method.js';

/**
 * Attention rollout: S. Abnar, W. Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3.
 *
 *   raw = (Abar_B ... Abar_1)[class token, patches]        Abar_b = mean over heads of A_b, + I, rows divided by their sums
 *
 * Where information may have come from, layer by layer, whatever the class.
 */
export const attentionRollout: Method = {
  ...ofAttention,
  name: 'attention-rollout',
  title: 'Attention rollout',
  paper: 'Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020',
  options: {
    ...startOption,
    normalise: { default: true, about: 'whether rows of A + I are divided by their sums' },
  },
  usesTarget: false,
  record: (scene, { start, normalise }) => {
    const matrices = blocksFrom(scene, Number(start)).map((name) =>
      meanOverHeads(scene, scene.trace.value(name)),
    );
    return rollout(scene, matrices, Boolean(normalise));
  },
};
