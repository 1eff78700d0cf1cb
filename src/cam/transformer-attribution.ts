import {
  type TransformerComposite,
  transformerComposites,
  transformerRules,
} from '../net/transformer-rules.js';
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
 * Transformer attribution: H. Chefer, S. Gur, L. Wolf, "Transformer Interpretability Beyond Attention Visualization", CVPR 2021, equations 13 and
 * 14.
 *
 *   raw = (Abar_B ... Abar_1)[class token, patches]        Abar_b = I + mean over heads of relu(G_b R_b)
 *
 * G = d y_c / d A and R the relevance of the attention A, from 1 at the class (see `transformerRules`). The paper prints the product the other way
 * round, Abar_1 ... Abar_B; the authors' program does it as here.
 */
export const transformerAttribution: Method = {
  ...ofAttention,
  name: 'transformer-attribution',
  title: 'Transformer attribution',
  paper: 'Chefer et al., "Transformer Interpretability Beyond Attention Visualization", CVPR 2021',
  options: {
    ...startOption,
    gradient: {
      default: true,
      about: 'whether relevance counts as much as the gradient is; false rolls relevance out',
    },
    order: {
      default: 'authors',
      choices: ['authors', 'paper'],
      about:
        "the product from the last block to the first, as the authors' program has it, or as printed",
    },
    composite: {
      default: 'transformer',
      choices: transformerComposites,
      about: 'relevance rules',
    },
  },
  record: (scene, { start, gradient, order, composite }) => {
    const blocks = blocksFrom(scene, Number(start));
    const rules = transformerRules(composite as TransformerComposite);
    const relevance = arrivingAt(scene, blocks, rules);
    const gradients = gradient ? arrivingAt(scene, blocks) : undefined;
    const matrices = relevance.map((r, b) => positiveMean(scene, r, gradients?.[b]));
    return rollout(scene, order === 'paper' ? matrices.reverse() : matrices);
  },
};
