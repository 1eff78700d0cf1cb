import {
  type TransformerComposite,
  transformerComposites,
  transformerRules,
} from '../net/transformer-rules.js';
import {
  arrivingAt,
  blockAt,
  blockOption,
  ofAttention,
  positiveMean,
  rowOf,
} from './attention-maps.js';
import type { Method } from './method.js';

/**
 * Partial LRP: E. Voita et al., "Analyzing Multi-Head Self-Attention", ACL 2019, section 4, as H. Chefer et al. (CVPR 2021) compare with it:
 * relevance sent back to the attention of the last block, no further.
 *
 *   raw = mean over heads of relu(R)[class token, patches]        R the relevance of the attention, from 1 at the class
 */
export const partialLrp: Method = {
  ...ofAttention,
  name: 'partial-lrp',
  title: 'Partial LRP',
  paper: 'Voita et al., "Analyzing Multi-Head Self-Attention", ACL 2019',
  options: {
    ...blockOption,
    composite: {
      default: 'transformer-orig',
      choices: transformerComposites,
      about: 'relevance rules',
    },
  },
  record: (scene, { block, composite }) => {
    const rules = transformerRules(composite as TransformerComposite);
    const [relevance] = arrivingAt(scene, [blockAt(scene, Number(block))], rules);
    return rowOf(scene, positiveMean(scene, relevance));
  },
};
