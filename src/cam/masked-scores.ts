import { ShapeError } from '../errors.js';
import type { Caps } from '../gpu/caps.js';
import { Recorder } from '../gpu/recorder.js';
import { placeholder, type Value } from '../gpu/value.js';
import { copyRow } from '../kernels/copy-row.js';
import { masksAt } from '../kernels/mask-source.js';
import { repeatRows } from '../kernels/repeat-rows.js';
import { rowDot } from '../kernels/row-dot.js';
import { scoresByMap } from '../kernels/scores-by-map.js';
import { selectedScores } from '../kernels/selected-scores.js';
import { softmax } from '../kernels/softmax.js';
import { type Maskable, MaskedInput, type MaskSource } from '../net/masked-input.js';
import type { Net } from '../net/net.js';
import { narrowed } from '../net/seam.js';
import { batchesOf, mostPasses, mostWithin } from './budget.js';
import type { OptionSpec, OptionValues, Scene } from './method.js';

/** What a copy scores: the chosen class's probability, or its logit. */
export type ScoreKind = 'probability' | 'logit';

/** The option of methods that ask the network many times. */
export const batchOption = {
  batch: { default: 0, min: 0, about: 'copies in one pass; 0 lets the memory budget decide' },
} satisfies Record<string, OptionSpec>;

/** Copies first .. first+count of one image of a batch. */
export interface Place {
  readonly image: number;
  readonly first: number;
  readonly count: number;
}

/** How copies are scored. */
export interface Scoring {
  /** One-hot rows [N,classes]: the class of each image; default the scene's. */
  readonly choice?: Value;
  /** `probability` by default. */
  readonly kind?: ScoreKind;
  readonly options?: OptionValues;
  /** Whether copies differ by the class that an image is explained for; else those of a picture are scored once for all its classes. */
  readonly differByClass?: boolean;
  /** How many copies of each image need a score [N], known only once the GPU has run what it takes: batches behind them are skipped. */
  readonly enough?: Value | undefined;
}

/**
 * Scores of masked copies of each image of a scene: `x` where a mask is 1, `canvas` (or black) where it is 0. See {@link scoresOf}.
 *
 * @param what the images; default the scene's, on black
 * @returns [N, masks.count]
 */
export function maskedScores(
  scene: Scene,
  masks: MaskSource,
  scoring: Scoring = {},
  what: Maskable = { x: scene.input },
): Value {
  const { recorder, net, input } = scene;
  const { count, asked } = masks;
  const [images, made] = net.storage === 'f16' ? stored(recorder, what, masks) : [what, masks];
  const copies = (place: Place) => new MaskedInput(recorder, images, made, place);
  const settings = { ...scoring, enough: asked?.count };
  const scores = scoresOf(scene, 'input', input.shape, count, settings, copies);
  return asked ? recorder.k(scoresByMap, { scores, ...asked }) : scores;
}

/** Images and masks as a network with 16-bit values reads them. @throws ShapeError for rectangles whose sides 16 bits do not count. */
function stored(recorder: Recorder, what: Maskable, masks: MaskSource): [Maskable, MaskSource] {
  const side = Math.max(...what.x.shape.slice(2));
  if (masks.kind === 'rectangles' && side > largestCount) {
    throw new ShapeError(
      `rectangles in images of ${side} pixels: 16-bit storage counts to ${largestCount}: load the network with storage f32, or use smaller images`,
    );
  }
  const { x, canvas } = what;
  const { field } = masks;
  return [
    { x: narrowed(recorder, x), canvas: canvas && narrowed(recorder, canvas) },
    { ...masks, field: field && narrowed(recorder, field) },
  ];
}

/** Whole numbers from 0 to it are float16. */
const largestCount = 2048;

/**
 * Scores of changed copies of each image of a scene, fed to the network at any node, in batches that fit a memory budget, each a submission of
 * its own. Only one batch is in memory at a time, so the peak does not grow with the number of copies; it is counted by the plan.
 *
 * @param shape of the node's value, [N,...]
 * @param count copies an image has
 * @param copies records what the node is fed
 * @returns [N, count]
 */
export function scoresOf(
  scene: Scene,
  node: string,
  shape: readonly number[],
  count: number,
  scoring: Scoring,
  copies: (place: Place) => Value | MaskedInput,
): Value {
  const { recorder, net, pictures } = scene;
  const { choice = scene.choice(), kind = 'probability', options = {}, enough } = scoring;
  const [N, ...size] = shape;
  const asked = Number(options.batch ?? 0);
  // Where the forward pass starts behind the input, residual paths bring the image's own values past it.
  const beside = net.graph.beside(node).map((name) => [name, scene.trace.value(name)] as const);
  const shapes = Object.fromEntries([
    [node, size],
    ...beside.map(([n, v]) => [n, v.shape.slice(1)]),
  ]);
  const most = asked > 0 ? asked : batchWithin(recorder.caps, net, shapes, scene.memoryBytes);
  /** Images that a copy of `image` is scored for: none if it is scored with an earlier one's. */
  const scoredWith = (image: number) =>
    scoring.differByClass ? [image] : pictures.flatMap((first, i) => (first === image ? [i] : []));
  const images = Array.from({ length: N }, (_, i) => i).filter((i) => scoredWith(i).length > 0);
  const batches = images.length * Math.ceil(count / most);
  if (batches > mostPasses) {
    throw new ShapeError(
      `${count} copies of ${images.length} images in batches of ${most} are ${batches} batches, should be at most ${mostPasses}: allow larger ones (batch, memory) or ask for fewer copies`,
    );
  }
  const parts = batchesOf(count, most);
  const [{ size: batch }] = parts;
  let scores: Value | undefined;
  for (const image of images) {
    const feeds = Object.fromEntries(
      beside.map(([name, x]) => {
        const at = recorder.constant(masksAt(image, 0));
        const copied = recorder.k(copyRow, { x: rowPerImage(x), at }, { count: batch });
        return [name, copied.reshape([batch, ...x.shape.slice(1)])];
      }),
    );
    for (const { first, begin, fresh } of parts) {
      const needed = enough && begin > 0 ? { counts: enough, at: image, above: begin } : undefined;
      recorder.cut(fresh, needed);
      const fed = copies({ image, first, count: batch });
      const logits = net.traceFrom(recorder, { ...feeds, [node]: fed }).output;
      const y = kind === 'probability' ? recorder.k(softmax, { x: logits }) : logits;
      for (const asker of scoredWith(image)) {
        const at = recorder.constant(masksAt(asker, first));
        const into = { into: scores };
        scores = recorder.k(selectedScores, { y, choice, at }, { total: count }, into);
      }
    }
  }
  recorder.cut();
  return scores!;
}

/** x [N,...] as rows [N,C]. */
const rowPerImage = (x: Value): Value => x.reshape([x.shape[0], x.size / x.shape[0]]);

/**
 * What images score for the class of each image of the scene: the black image's score, say, or that of each image blurred.
 *
 * @param x [N,3,H,W], or [1,3,H,W] for one that stands for all
 * @returns [N,1]
 */
export function scoreOf(
  scene: Scene,
  x: Value,
  { choice = scene.choice(), kind = 'probability' }: Scoring = {},
): Value {
  const { k } = scene.recorder;
  const [N] = choice.shape;
  const logits = scene.net.trace(scene.recorder, x).output;
  const y = kind === 'logit' ? logits : k(softmax, { x: logits });
  const rows = x.shape[0] === N ? y : k(repeatRows, { x: y }, { copies: N });
  return k(rowDot, { a: rows, b: choice }).reshape([N, 1]);
}

/**
 * Largest batch whose activations and input stay within `bytes`, and that the device can bind; at least 1, at most 64.
 *
 * @param sizes of one copy at the nodes that it is fed to
 */
export function batchWithin(
  caps: Caps,
  net: Net,
  sizes: Readonly<Record<string, readonly number[]>>,
  bytes: number,
): number {
  const costOf = (batch: number) => {
    const recorder = new Recorder(caps);
    const feeds = Object.fromEntries(
      Object.entries(sizes).map(([node, size]) => [
        node,
        // Images come as the network stores its values, what is fed behind them as callers see it.
        placeholder([batch, ...size], node === 'input' ? net.storage : 'f32'),
      ]),
    );
    const plan = recorder.plan([net.traceFrom(recorder, feeds).output]);
    // Masked copies of images are not in memory; on a software adapter their masks are.
    const fed = Object.entries(feeds).reduce((sum, [node, { byteLength, shape }]) => {
      const share = node !== 'input' ? 1 : caps.kind === 'software' ? 1 / shape[1] : 0;
      return sum + share * byteLength;
    }, 0);
    return plan.arenaBytes + fed;
  };
  return mostWithin(costOf, bytes, mostCopies);
}

/** Copies in a batch at most: more would not be faster. */
const mostCopies = 64;
