import { LayerError } from '../errors.js';
import { rowDot } from '../kernels/row-dot.js';
import { scoreDrops } from '../kernels/score-drops.js';
import { softmax } from '../kernels/softmax.js';
import type { MaskSource } from '../net/masked-input.js';
import { blurred } from './group-saliency.js';
import { batchOption, maskedScores } from './masked-scores.js';
import type { Method } from './method.js';
import { masksTimesScores } from './rise.js';

/**
 * Occlusion: M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.
 *
 *   raw[i,j] = mean over the squares that cover pixel (i,j) of p_c(I) - p_c(I with the square covered)
 *
 * Squares begin at the top left corner, a stride apart; the last row and column lie against the border. They cover with grey (the mean
 * colour) or with the blurred image.
 */
export const occlusion: Method = {
  name: 'occlusion',
  title: 'Occlusion',
  paper: 'Zeiler and Fergus, ECCV 2014',
  options: {
    size: { default: 0, min: 0, about: "side of the square, pixels; 0 for a 7th of the input's" },
    stride: { default: 0, min: 0, about: 'pixels from one square to the next; 0 for half a side' },
    cover: { default: 'grey', choices: ['grey', 'blur'], about: 'what the square shows' },
    ...batchOption,
  },
  layers: 'none',
  finish: 'relu',
  passes: 'many',
  usesTarget: true,
  record: (scene, options) => {
    const { recorder, input } = scene;
    const { k } = recorder;
    const [N, , H, W] = input.shape;
    const side = (options.size as number) || Math.max(1, Math.round(Math.min(H, W) / 7));
    if (side > Math.min(H, W)) {
      throw new LayerError(
        `occlusion: a square of ${side} pixels should fit into the input of ${H} x ${W}`,
      );
    }
    const stride = (options.stride as number) || Math.ceil(side / 2);
    const [tops, lefts] = [H, W].map((length) => startsOf(length, side, stride));
    const count = tops.length * lefts.length;
    if (count > mostSquares) {
      throw new LayerError(
        `occlusion: ${tops.length} x ${lefts.length} squares, ${stride} pixels apart, should be at most ${mostSquares}, choose a larger stride`,
      );
    }
    const squares = new Float32Array(4 * count);
    for (let i = 0; i < count; i++) {
      const [top, left] = [tops[Math.floor(i / lefts.length)], lefts[i % lefts.length]];
      squares.set([top, left, top + side, left + side], 4 * i);
    }
    const masks: MaskSource = {
      kind: 'rectangles',
      count,
      field: recorder.constant(squares, [count, 1, 4]),
    };
    const canvas = options.cover === 'blur' ? blurred(scene, { blur: 51, sigma: 50 }) : undefined;
    const scores = maskedScores(scene, masks, { options }, { x: input, canvas });
    const p = k(softmax, { x: scene.trace.output });
    const baseline = k(rowDot, { a: p, b: scene.choice() }).reshape([N, 1]);
    const drops = k(scoreDrops, { scores, baseline });
    const [down, along] = [coverage(tops, side, H), coverage(lefts, side, W)];
    const covering = Float32Array.from({ length: H * W }, (_, i) =>
      // 1 where there is no square, and so nothing to divide.
      Math.max(1, down[Math.floor(i / W)] * along[i % W]),
    );
    const over = recorder.constant(covering, [H, W]);
    return masksTimesScores(scene, masks, drops, { complement: true }, over);
  },
};

/** Where squares begin along a side: a stride apart, and one against the far border. */
function startsOf(length: number, side: number, stride: number): number[] {
  const starts: number[] = [];
  for (let at = 0; at < length - side; at += stride) starts.push(at);
  return [...starts, length - side];
}

/** Squares that cover each place along a side. */
function coverage(starts: readonly number[], side: number, length: number): Uint32Array {
  const count = new Uint32Array(length);
  for (const start of starts) for (let i = start; i < start + side; i++) count[i]++;
  return count;
}

/** A forward pass each: hours on any device. */
const mostSquares = 2 ** 20;
