import type { Value } from '../gpu/value.js';
import { add } from '../kernels/add.js';
import { scaleShift } from '../kernels/scale-shift.js';
import { spatialMean } from '../kernels/spatial-mean.js';
import { tokenGather } from '../kernels/token-gather.js';
import { tokensToMaps } from '../kernels/tokens-to-maps.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import {
  arrivingAt,
  blockAt,
  blockOption,
  gridOf,
  ofAttention,
  tokensRead,
} from './attention-maps.js';
import type { Method } from './method.js';

/**
 * Grad-CAM with the class token's attention in the place of feature maps, a map a head, as H. Chefer et al. ("Transformer Interpretability Beyond
 * Attention Visualization", CVPR 2021, section 4) compare with it.
 *
 *   raw = mean over heads of mean(G[class token, patches]) A[class token, patches]        G = d y_c / d A
 *
 * Distilled networks read two tokens: the mean of both.
 */
export const attentionGradCam: Method = {
  ...ofAttention,
  name: 'attention-grad-cam',
  title: 'Grad-CAM of attention',
  paper: 'Selvaraju et al., "Grad-CAM", ICCV 2017, on attention as in Chefer et al., CVPR 2021',
  options: blockOption,
  finish: 'relu',
  record: (scene, { block }) => {
    const { recorder, trace, net } = scene;
    const { k } = recorder;
    const name = blockAt(scene, Number(block));
    const A = trace.value(name);
    const [G] = arrivingAt(scene, [name]);
    const grid = gridOf(scene);
    const [N, HEADS, T] = A.shape;
    const tokens = tokensRead(net.graph);
    /** A token's row of each head as a map: [N,HEADS,P,Q]. */
    const mapsOf = (x: Value, token: number) => {
      const row = k(tokenGather, { x: x.reshape([N * HEADS, T, T]) }, { token });
      const maps = k(tokensToMaps, { x: row.reshape([N * HEADS, T, 1]) }, { grid });
      return maps.reshape([N, HEADS, ...grid]);
    };
    const sum = tokens
      .map((token) =>
        k(weightedSum, { x: mapsOf(A, token), w: k(spatialMean, { x: mapsOf(G, token) }) }),
      )
      .reduce((a, b) => k(add, { a, b }));
    const line = recorder.constant(Float32Array.of(1 / (HEADS * tokens.length), 0));
    return k(scaleShift, { x: sum, line });
  },
};
