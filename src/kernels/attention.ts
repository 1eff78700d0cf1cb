import direct from '../../shaders/attention/attention.wgsl';
import block from '../../shaders/attention/attention-block.wgsl';
import tile from '../../shaders/attention/attention-tile.wgsl';
import { ShapeError } from '../errors.js';
import { attentionSizes, type HeadsOption } from './attention-shape.js';
import { smallConv } from './conv-shape.js';
import { groupsFor, kernel } from './kernel.js';

/** The widest head that {@link attention} can do: its sums are kept in registers and workgroup memory. */
export const widestHead = 128;

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
      name: 'tile',
      code: tile,
      on: 'software',
      fits: ({ WIDTH }) => WIDTH <= 64,
      // Compiling it takes a CPU 0.7 s, the readable one is ten times slower (197 tokens of 3 x 64: 18 and 190 ms).
      pays: ({ N, T, D }) => 2 * N * T * T * D >= 4 * smallConv,
      groups: ({ N, T, HEADS }) => N * HEADS * groupsFor(T, 32),
    },
    { name: 'direct', code: direct, groups: ({ N, T, HEADS }) => groupsFor(N * T * HEADS, 64) },
  ],
});
