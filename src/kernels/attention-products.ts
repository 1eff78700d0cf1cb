import naive from '../../shaders/attention/heads-product.wgsl';
import block from '../../shaders/attention/heads-product-block.wgsl';
import tile from '../../shaders/attention/heads-product-tile.wgsl';
import { attentionSizes, type HeadsOption } from './attention-shape.js';
import { smallConv } from './conv-shape.js';
import { groupsFor, kernel, type Sizes, type Variant } from './kernel.js';

/** Where a factor's or the product's elements lie: first, and strides. */
interface Layout {
  readonly first?: number;
  readonly image: number;
  readonly head: number;
  /** Of a: rows; of b: the inner index; of y: rows. */
  readonly down: number;
  /** Of a: the inner index; of b: columns. 1 for y. */
  readonly across: number;
}

/** Columns of a tensor of tokens, `third` of qkv, as a matrix [T, WIDTH] a head. */
const tokens = (T: number, row: number, WIDTH: number, third = 0): Layout => ({
  first: third * (row / 3),
  image: T * row,
  head: WIDTH,
  down: row,
  across: 1,
});

/** A map [T, T] a head. */
const maps = (T: number, HEADS: number): Layout => ({
  image: HEADS * T * T,
  head: T * T,
  down: T,
  across: 1,
});

const turned = ({ down, across, ...rest }: Layout): Layout => ({
  ...rest,
  down: across,
  across: down,
});

/** The constants of a product [rows, inner] x [inner, columns]. */
function product(
  [ROWS, INNER, COLUMNS]: readonly [number, number, number],
  [a, b, y]: readonly [Layout, Layout, Layout],
): Record<string, number> {
  return {
    ...{ ROWS, INNER, COLUMNS },
    ...{ A_FIRST: a.first ?? 0, A_IMAGE: a.image, A_HEAD: a.head, A_ROW: a.down },
    ...{ A_INNER: a.across, B_INNER: b.down, B_COLUMN: b.across },
    ...{ B_FIRST: b.first ?? 0, B_IMAGE: b.image, B_HEAD: b.head },
    ...{ Y_FIRST: y.first ?? 0, Y_IMAGE: y.image, Y_HEAD: y.head, Y_ROW: y.down },
  };
}

const flops = ({ N, HEADS, ROWS, INNER, COLUMNS }: Sizes) => 2 * N * HEADS * ROWS * INNER * COLUMNS;

const variants: readonly Variant[] = [
  {
    name: 'block',
    code: block,
    on: 'gpu',
    groups: ({ N, HEADS, ROWS, COLUMNS }) =>
      N * HEADS * groupsFor(ROWS, 64) * groupsFor(COLUMNS, 64),
  },
  {
    name: 'tile',
    code: tile,
    on: 'software',
    pays: (sizes) => sizes.COLUMNS >= 4 && flops(sizes) >= 2 * smallConv,
    groups: ({ N, HEADS, ROWS, COLUMNS }) =>
      N * HEADS * groupsFor(ROWS, 32) * groupsFor(COLUMNS, 64),
  },
  {
    name: 'naive',
    code: naive,
    groups: ({ N, HEADS, ROWS, COLUMNS }) => groupsFor(N * HEADS * ROWS * COLUMNS, 64),
  },
];

/** Scores of all queries (rows) and keys: q k^T / sqrt(d). a, b: qkv [N,T,3 D], the same twice -> y [N,HEADS,T,T]. */
export const attentionScores = kernel({
  name: 'attentionScores',
  reads: { a: 'N T QKV', b: 'N T QKV' },
  results: { y: 'N HEADS T T' },
  derive: (sizes, { heads }: HeadsOption) => {
    const { T, QKV } = sizes;
    const more = attentionSizes('attentionScores', sizes, heads);
    const { WIDTH } = more;
    const [q, k] = [tokens(T, QKV, WIDTH, 0), tokens(T, QKV, WIDTH, 1)];
    return { ...more, ...product([T, WIDTH, T], [q, turned(k), maps(T, heads)]) };
  },
  flops,
  variants,
});

/** What attention gives from its probabilities: p v. a: p [N,HEADS,T,T], b: qkv [N,T,3 D] -> y [N,T,D]. */
export const attentionOutput = kernel({
  name: 'attentionOutput',
  reads: { a: 'N HEADS T T', b: 'N T QKV' },
  results: { y: 'N T D' },
  derive: (sizes) => {
    const { T, HEADS, QKV } = sizes;
    const { D, WIDTH } = attentionSizes('attentionOutput', sizes, HEADS);
    const layouts = [maps(T, HEADS), tokens(T, QKV, WIDTH, 2), tokens(T, D, WIDTH)] as const;
    return { D, WIDTH, SCALE: 1, ...product([T, T, WIDTH], layouts) };
  },
  flops,
  variants,
});

/**
 * Gradient of attention with respect to its probabilities: dy v^T.
 *
 * a: dy [N,T,D], b: qkv [N,T,3 D] -> y [N,HEADS,T,T].
 */
export const attentionProbabilitiesGradient = kernel({
  name: 'attentionProbabilitiesGradient',
  reads: { a: 'N T D', b: 'N T QKV' },
  results: { y: 'N HEADS T T' },
  derive: (sizes, { heads }: HeadsOption) => {
    const { T, D, QKV } = sizes;
    const more = attentionSizes('attentionProbabilitiesGradient', sizes, heads);
    const { WIDTH } = more;
    const layouts = [
      tokens(T, D, WIDTH),
      turned(tokens(T, QKV, WIDTH, 2)),
      maps(T, heads),
    ] as const;
    return { ...more, SCALE: 1, ...product([T, WIDTH, T], layouts) };
  },
  flops,
  variants,
});

/**
 * Gradient of attention with respect to q, from that of its scores: ds k / sqrt(d).
 *
 * a: ds [N,HEADS,T,T], b: qkv [N,T,3 D] -> y [N,T,3 D], of which q's columns are written.
 */
export const attentionQueryGradient = kernel({
  name: 'attentionQueryGradient',
  reads: { a: 'N HEADS T T', b: 'N T QKV' },
  results: { y: 'N T QKV' },
  derive: (sizes) => {
    const { T, HEADS, QKV } = sizes;
    const { WIDTH, SCALE } = attentionSizes('attentionQueryGradient', sizes, HEADS);
    const [q, k] = [tokens(T, QKV, WIDTH, 0), tokens(T, QKV, WIDTH, 1)];
    return { SCALE, ...product([T, T, WIDTH], [maps(T, HEADS), k, q]) };
  },
  flops,
  variants,
});

/**
 * Gradient of attention with respect to k, from that of its scores: ds^T q / sqrt(d).
 *
 * a: ds [N,HEADS,T,T], b: qkv [N,T,3 D] -> y [N,T,3 D], of which k's columns are written.
 */
export const attentionKeyGradient = kernel({
  name: 'attentionKeyGradient',
  reads: { a: 'N HEADS T T', b: 'N T QKV' },
  results: { y: 'N T QKV' },
  derive: (sizes) => {
    const { T, HEADS, QKV } = sizes;
    const { WIDTH, SCALE } = attentionSizes('attentionKeyGradient', sizes, HEADS);
    const [q, k] = [tokens(T, QKV, WIDTH, 0), tokens(T, QKV, WIDTH, 1)];
    return { SCALE, ...product([T, T, WIDTH], [turned(maps(T, HEADS)), q, k]) };
  },
  flops,
  variants,
});

/**
 * Gradient of attention with respect to v: p^T dy.
 *
 * a: p [N,HEADS,T,T], b: dy [N,T,D] -> y [N,T,3 D], of which v's columns are written.
 */
export const attentionValueGradient = kernel({
  name: 'attentionValueGradient',
  reads: { a: 'N HEADS T T', b: 'N T D' },
  results: { y: 'N T QKV' },
  derive: (sizes) => {
    const { T, HEADS, D } = sizes;
    const QKV = 3 * D;
    const { WIDTH } = attentionSizes('attentionValueGradient', { QKV }, HEADS);
    const v = tokens(T, QKV, WIDTH, 2);
    return {
      QKV,
      SCALE: 1,
      ...product([T, T, WIDTH], [turned(maps(T, HEADS)), tokens(T, D, WIDTH), v]),
    };
  },
  flops,
  variants,
});
