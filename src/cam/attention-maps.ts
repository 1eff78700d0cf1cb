import { LayerError } from '../errors.js';
import type { Value } from '../gpu/value.js';
import { headMean } from '../kernels/head-mean.js';
import { rolloutStep } from '../kernels/rollout-step.js';
import { sumRows } from '../kernels/sum-rows.js';
import { tokensToMaps } from '../kernels/tokens-to-maps.js';
import type { Graph, Node } from '../net/graph.js';
import type { RuleSet } from '../net/rules.js';
import { attentionMapsOf } from '../net/transformer-rules.js';
import type { Method, OptionSpec, Scene } from './method.js';
import { unitRelevance } from './relevance.js';

/** Whether a network has attention over patches, and reads its scores off a token. */
export const hasAttention = (graph: Graph): boolean =>
  attentionMapsOf(graph).length > 0 && tokensRead(graph).length > 0;

/** What methods that look at attention have in common. Their maps have no negative values, nothing is cut off. */
export const ofAttention = {
  layers: 'none',
  finish: 'none',
  passes: 'one',
  usesTarget: true,
  suits: hasAttention,
} as const satisfies Partial<Method>;

/** The option of methods that look at one block. */
export const blockOption = {
  block: { default: -1, about: 'block whose attention is shown, from 0 on; -1 is the last' },
} satisfies Record<string, OptionSpec>;

/** The option of methods that multiply the attention of blocks. */
export const startOption = {
  start: { default: 0, min: 0, about: 'first block that counts' },
} satisfies Record<string, OptionSpec>;

/** Tokens that the scores are read off: the class token, and a distillation token where there is one. */
export const tokensRead = (graph: Graph): readonly number[] =>
  graph.nodes
    .filter((node): node is Node<'token'> => node.kind === 'token')
    .map(({ options }) => (options as Node<'token'>['options']).token);

/** Nodes of the network's attention, from the first block to the last. @throws LayerError if it has none. */
function blocksOf({ net }: Scene): readonly string[] {
  if (!hasAttention(net.graph)) {
    throw new LayerError(
      `${net.name} has no attention that a class token reads: choose a vit or deit, or grad-cam, which works everywhere`,
    );
  }
  return attentionMapsOf(net.graph);
}

/** The attention of one block, by {@link blockOption}. @throws LayerError if there is no such block, or no attention. */
export function blockAt(scene: Scene, block: number): string {
  const blocks = blocksOf(scene);
  const name = blocks.at(block);
  if (name) return name;
  throw new LayerError(
    `block ${block} is out of range: ${scene.net.name} has 0 .. ${blocks.length - 1}, -1 is the last`,
  );
}

/** The attention of the blocks from one on. @throws LayerError if there is none left, or no attention. */
export function blocksFrom(scene: Scene, start: number): readonly string[] {
  const blocks = blocksOf(scene);
  if (start < blocks.length) return blocks.slice(start);
  throw new LayerError(
    `start ${start} leaves no block: ${scene.net.name} has 0 .. ${blocks.length - 1}`,
  );
}

/** What arrives at maps of attention [N,HEADS,T,T] from the target: their gradients, or by `rules` their relevance, from 1 at a class. */
export function arrivingAt(scene: Scene, blocks: readonly string[], rules?: RuleSet): Value[] {
  const from = scene.target.node ?? scene.net.graph.output;
  const dy = rules ? unitRelevance(scene) : scene.seed(scene.trace).dy;
  const found = scene.trace.backward(from, dy, blocks, rules);
  return blocks.map((name) => found.get(name)!);
}

/** Mean over heads [N,T,T] of maps [N,HEADS,T,T], or of relu(a g). */
export const meanOverHeads = (scene: Scene, a: Value): Value => scene.recorder.k(headMean, { a });

export const positiveMean = (scene: Scene, a: Value, g?: Value): Value =>
  scene.recorder.k(headMean, { a, g }, { positive: true });

/** The row of the token that the scores are read off, before any block [N,T]; of two tokens half each, as their scores are averaged. */
function classRow({ recorder, net }: Scene, [N, T]: readonly number[]): Value {
  const tokens = tokensRead(net.graph);
  const rows = new Float32Array(N * T);
  for (let n = 0; n < N; n++) {
    for (const token of tokens) rows[n * T + token] += 1 / tokens.length;
  }
  return recorder.constant(rows, [N, T]);
}

/** Rows and columns of patches. @throws LayerError if tokens are none. */
export function gridOf({ trace, net }: Scene): readonly [number, number] {
  const grid = trace.grid(attentionMapsOf(net.graph)[0]);
  if (grid) return grid;
  throw new LayerError(`${net.name}: its tokens are not those of a grid of patches`);
}

/** Tokens' amounts [N,T] as a map [N,P,Q]: those of patches in their grid. */
function patchesOf(scene: Scene, row: Value): Value {
  const [N, T] = row.shape;
  const grid = gridOf(scene);
  return scene.recorder
    .k(tokensToMaps, { x: row.reshape([N, T, 1]) }, { grid })
    .reshape([N, ...grid]);
}

/** The class token's row of one matrix [N,T,T]: how much it takes from each patch, [N,P,Q]. */
export function rowOf(scene: Scene, m: Value): Value {
  const reads = { r: classRow(scene, m.shape), m };
  return patchesOf(scene, scene.recorder.k(rolloutStep, reads, { identity: false }));
}

/**
 * The class token's row of (I + M_n) ... (I + M_1), at the patches [N,P,Q]: a row times a matrix a block, from the last one down.
 *
 * @param matrices [N,T,T] each, first to last block
 * @param normalise whether the rows of each I + M are divided by their sums
 */
export function rollout(scene: Scene, matrices: readonly Value[], normalise = false): Value {
  const { k } = scene.recorder;
  const sumsOf = (m: Value) => {
    const [N, T] = m.shape;
    return k(sumRows, { x: m.reshape([N * T, T]) }).reshape([N, T]);
  };
  const row = [...matrices]
    .reverse()
    .reduce(
      (r, m) => k(rolloutStep, { r, m, s: normalise ? sumsOf(m) : undefined }),
      classRow(scene, matrices[0].shape),
    );
  return patchesOf(scene, row);
}
