import direct from '../../shaders/attention/attention.wgsl';
import block from '../../shaders/attention/attention-block.wgsl';
import quad from '../../shaders/attention/attention-quad.wgsl';
import tile from '../../shaders/attention/attention-tile.wgsl';
import { attentionSizes, type HeadsOption } from './attention-shape.js';
import { smallConv } from './conv-shape.js';
import { groupsFor, kernel, type Sizes } from './kernel.js';

/** Whether more than the readable variant pays: compiling takes a CPU 0.7 s, that one is ten times slower (197 tokens of 3 x 64: 18 and 190 ms). */
const isLong = ({ N, T, D }: Sizes): boolean => 2 * N * T * T * D >= 4 * smallConv;

/** An invocation keeps the sums of 128 columns: heads so wide are done at once, wider ones in several spans, each with the scores computed again. */
const spans = ({ WIDTH }: Sizes): number => groupsFor(WIDTH, 128);

/** Workgroups of a software adapter's variants: each of its lanes has eight queries. */
const teams = ({ N, T, HEADS, LANES }: Sizes): number => N * HEADS * groupsFor(T, 8 * LANES);

/**
 * Multi-head attention between the projections: softmax(q k^T / sqrt(d)) v for every head, d = D / heads.
 *
 * qkv [N,T,3 D] -> y [N,T,D]. A row of qkv is a token's q, k and v, each with one head after another (PyTorch's `in_proj`, timm's `qkv`).
 * One pass over the keys: scores are never in memory; where they are needed: {@link attentionProbabilities} and {@link attentionOutput}.
 * Heads wider than 128 have their scores computed once for every 128 columns of the result; operations count the definition's all the same.
 */
export const attention = kernel({
  name: 'attention',
  reads: { qkv: 'N T QKV' },
  results: { y: 'N T D' },
  derive: (sizes, { heads }: HeadsOption) => attentionSizes('attention', sizes, heads),
  flops: ({ N, T, D }) => 4 * N * T * T * D,
  variants: [
    {
      name: 'block',
      code: block,
      on: 'gpu',
      groups: (sizes) => sizes.N * sizes.HEADS * groupsFor(sizes.T, 32) * spans(sizes),
    },
    {
      name: 'quad',
      code: quad,
      on: 'software',
      needs: ({ features }) => features.has('subgroups'),
      fits: ({ WIDTH }) => WIDTH <= 64 && WIDTH % 4 === 0,
      // Four lanes at once gain nothing over `tile` by it (SwiftShader), eight do 1.6 times as much in a second (llvmpipe of Mesa 22.3).
      pays: (sizes, { lanes }) => lanes === 8 && isLong(sizes),
      groups: teams,
    },
    {
      name: 'tile',
      code: tile,
      on: 'software',
      fits: ({ WIDTH }) => WIDTH <= 64,
      pays: isLong,
      groups: teams,
    },
    {
      name: 'direct',
      code: direct,
      groups: (sizes) => groupsFor(sizes.N * sizes.T * sizes.HEADS * spans(sizes), 64),
    },
  ],
});
