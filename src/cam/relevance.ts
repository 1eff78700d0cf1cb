import { LayerError, TargetError } from '../errors.js';
import type { Value } from '../gpu/value.js';
import { mixParts } from '../kernels/mix-parts.js';
import { multiply } from '../kernels/multiply.js';
import { repeatRows } from '../kernels/repeat-rows.js';
import { type Composite, composites, relevanceRules } from '../net/lrp.js';
import type { Net } from '../net/net.js';
import type { RuleSet } from '../net/rules.js';
import {
  attentionMapsOf,
  isTransformerComposite,
  type TransformerComposite,
  transformerComposites,
  transformerRules,
} from '../net/transformer-rules.js';
import type { OptionSpec, OptionValues, Scene } from './method.js';

/** Options of methods that send relevance back. */
export const relevanceOptions = {
  composite: {
    default: 'auto',
    choices: ['auto', ...composites, ...transformerComposites],
    about: 'which layers share relevance by which rule; auto decides by the network',
  },
  epsilon: { default: 1e-6, above: 0, about: 'stabiliser of the epsilon rule' },
  gamma: { default: 0.25, min: 0, about: 'what agrees counts so much more, in the gamma rule' },
} satisfies Record<string, OptionSpec>;

/** What a method takes where the network decides. */
interface AutoComposite {
  readonly transformer: TransformerComposite;
  readonly convolutional: Composite;
}

/**
 * Relevance at a node, by {@link relevanceOptions}: the target's share of the score at the output, or what `start` gives there, sent back.
 *
 * @param auto what `auto` is for networks with attention, and without
 * @returns of the node's shape
 */
export function relevanceAt(
  scene: Scene,
  node: string,
  options: OptionValues,
  auto: AutoComposite,
  start?: Value,
): Value {
  return relevanceBy(scene, node, rulesOf(scene.net, options, auto), start);
}

/** As {@link relevanceAt}, sent back under any table of rules. @throws LayerError for a node that no row matches. */
export function relevanceBy(
  scene: Scene,
  node: string,
  rules: RuleSet,
  start = targetRelevance(scene),
): Value {
  const { trace, net, target } = scene;
  return trace.backward(target.node ?? net.graph.output, start, [node], rules).get(node)!;
}

function rulesOf(net: Net, { composite, epsilon, gamma }: OptionValues, auto: AutoComposite) {
  const isTransformer = attentionMapsOf(net.graph).length > 0;
  const fitting = isTransformer ? auto.transformer : auto.convolutional;
  const name = composite === 'auto' ? fitting : String(composite);
  if (isTransformerComposite(name) !== isTransformer) {
    throw new LayerError(
      `composite ${name} is not for ${net.name}: choose auto, ${isTransformer ? 'transformer or transformer-orig' : 'epsilon-plus-flat or another without attention'}`,
    );
  }
  if (isTransformerComposite(name)) return transformerRules(name);
  const { mean, std } = net.preprocessing;
  return relevanceRules(name as Composite, {
    epsilon: Number(epsilon),
    gamma: Number(gamma),
    low: mean.map((m, c) => -m / std[c]),
    high: mean.map((m, c) => (1 - m) / std[c]),
  });
}

/**
 * What each element of the target's node adds to the score: the logit at a class, the terms of a linear combination. A score that is no sum of such
 * terms, a probability say, is all the class's.
 *
 * @throws TargetError as {@link unitRelevance}
 */
function targetRelevance(scene: Scene): Value {
  const { trace, net, target, part } = scene;
  const { k } = scene.recorder;
  const { score, dy } = scene.seed(trace);
  if (part.isLinear) return k(multiply, { a: dy, b: trace.value(target.node ?? net.graph.output) });
  const classes = unitRelevance(scene);
  const [N, C] = classes.shape;
  const scores = k(repeatRows, { x: score.reshape([N, 1]) }, { copies: C }).reshape([N, C]);
  return k(multiply, { a: classes, b: scores });
}

/**
 * The same for methods that leave the score out: 1 at the class, or the coefficients of a linear combination.
 *
 * @throws TargetError for a score that is neither of a class nor linear: its derivative says nothing of what it is made of (that of a cosine, times y,
 * adds up to 0).
 */
export function unitRelevance(scene: Scene): Value {
  const { target, part } = scene;
  if (part.isLinear) return scene.seed(scene.trace).dy;
  if (part.choose && !target.node) return scene.choice();
  throw new TargetError(
    `${target.description}: relevance begins with a class, or with a score that is linear: choose one, or mark the target's part as isLinear`,
  );
}

/**
 * The class held against all others (contrastive LRP: J. Gu et al., "Understanding Individual Decisions of CNNs via Contrastive Backpropagation",
 * ACCV 2018): 1 at the class, -1 over the number of the others at each of them. There the score is a factor of all; without it, as in Relevance-CAM's
 * program, a class with a negative logit shows what speaks for it, too.
 *
 * @returns [N,classes], rows that add up to 0
 * @throws TargetError if the target is no class.
 */
export function contrastiveRelevance(scene: Scene): Value {
  const classes = scene.choice();
  const [, C] = classes.shape;
  const rest = C > 1 ? 1 / (C - 1) : 0;
  const c = scene.recorder.constant(Float32Array.of(1 + rest, 0, 0, 0, -rest));
  return scene.recorder.k(mixParts, { x: classes, c });
}
