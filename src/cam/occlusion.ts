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
    const squares = startsOf(H, side, stride).flatMap((top) =>
      startsOf(W, side, stride).map((left) => [top, left, top + side, left + side]),
    );
    const masks: MaskSource = {
      kind: 'rectangles',
      count: squares.length,
      field: recorder.constant(Float32Array.from(squares.flat()), [squares.length, 1, 4]),
    };
    const canvas = options.cover === 'blur' ? blurred(scene, { blur: 51, sigma: 50 }) : undefined;
    const scores = maskedScores(scene, masks, { options }, { x: input, canvas });
    const p = k(softmax, { x: scene.trace.output });
    const baseline = k(rowDot, { a: p, b: scene.choice() }).reshape([N, 1]);
    const drops = k(scoreDrops, { scores, baseline });
    const over = recorder.constant(coverage(squares, H, W), [H, W]);
    return masksTimesScores(scene, masks, drops, { complement: true }, over);
  },
};

/** Where squares begin along a side: a stride apart, and one against the far border. */
function startsOf(length: number, side: number, stride: number): number[] {
  const starts: number[] = [];
  for (let at = 0; at < length - side; at += stride) starts.push(at);
  return [...starts, length - side];
}

/** Number of squares that cover each pixel; 1 where there is none. */
function coverage(squares: readonly (readonly number[])[], H: number, W: number): Float32Array {
  const count = new Float32Array(H * W);
  for (const [top, left, bottom, right] of squares) {
    for (let i = top; i < bottom; i++) {
      for (let j = left; j < right; j++) count[i * W + j]++;
    }
  }
  return count.map((c) => Math.max(c, 1));
}
