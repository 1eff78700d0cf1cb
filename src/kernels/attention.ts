import direct from '../../shaders/attention/attention.wgsl';
import block from '../../shaders/attention/attention-block.wgsl';
import quad from '../../shaders/attention/attention-quad.wgsl';
import tile from '../../shaders/attention/attention-tile.wgsl';
import { ShapeError } from '../errors.js';
import { attentionSizes, type HeadsOption } from './attention-shape.js';
import { smallConv } from './conv-shape.js';
import { groupsFor, kernel, type Sizes } from './kernel.js';

/** The widest head that {@link attention} can do: its sums are kept in registers and workgroup memory. */
export const widestHead = 128;

/** Whether more than the readable variant pays: compiling takes a CPU 0.7 s, that one is ten times slower (197 tokens of 3 x 64: 18 and 190 ms). */
const isLong = ({ N, T, D }: Sizes): boolean => 2 * N * T * T * D >= 4 * smallConv;

/** Workgroups of a software adapter's variants: each of its lanes has eight queries. */
const teams = ({ N, T, HEADS, LANES }: Sizes): number => N * HEADS * groupsFor(T, 8 * LANES);

/**
 * Multi-head attention between the projections: softmax(q k^T / sqrt(d)) v for every head, d = D / heads at most 128.
 *
 * qkv [N,T,3 D] -> y [N,T,D]. A row of qkv is a token's q, k and v, each with one head after another (PyTorch's `in_proj`, timm's `qkv`).
 * One pass over the keys: scores are never in memory. Where they are needed, or a head is wider: {@link attentionProbabilities} and
 * {@link attentionOutput}.
 */
export const attention = kernel({
  name: 'attention',
  reads: { qkv: 'N T QKV' },
  results: { y: 'N T D' },
  derive: (sizes, { heads }: HeadsOption) => {
    const more = attentionSizes('attention', sizes, heads);
    if (more.WIDTH > widestHead) {
      throw new ShapeError(
        `attention: heads are ${more.WIDTH} wide, should be at most ${widestHead}: use attentionProbabilities and attentionOutput`,
      );
    }
    return more;
  },
  flops: ({ N, T, D }) => 4 * N * T * T * D,
  variants: [
    {
      name: 'block',
      code: block,
      on: 'gpu',
      groups: ({ N, T, HEADS }) => N * HEADS * groupsFor(T, 32),
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
    { name: 'direct', code: direct, groups: ({ N, T, HEADS }) => groupsFor(N * T * HEADS, 64) },
  ],
});
