import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import {
  attentionKeyGradient,
  attentionProbabilitiesGradient,
  attentionQueryGradient,
  attentionScores,
  attentionValueGradient,
} from './attention-products.js';
import type { HeadsOption } from './attention-shape.js';
import { softmax } from './softmax.js';
import { softmaxBackward } from './softmax-backward.js';

/** [N,HEADS,T,T] as rows of keys [N HEADS T,T]. */
export const asRows = (maps: Value): Value => {
  const T = maps.shape[3];
  return maps.reshape([maps.size / T, T]);
};

/**
 * Records the probabilities of attention, for methods that look at them: softmax(q k^T / sqrt(d)), a row a query.
 *
 * qkv [N,T,3 D] -> p [N,HEADS,T,T]. Two dispatches; `attentionOutput` makes attention's result of p.
 */
export function attentionProbabilities(
  r: Recorder,
  qkv: Value | Tensor,
  options: HeadsOption,
): Value {
  const scores = r.k(attentionScores, { a: qkv, b: qkv }, options);
  return r.k(softmax, { x: asRows(scores) }).reshape(scores.shape);
}

/** What {@link attentionBackward} starts from; `p` and `dp` are made where they are not given. */
export interface AttentionBackwardInputs {
  /** Gradient of the result [N,T,D]. */
  readonly dy: Value | Tensor;
  readonly qkv: Value | Tensor;
  /** Probabilities of the forward pass [N,HEADS,T,T]. */
  readonly p?: Value | Tensor | undefined;
  /** Their gradient [N,HEADS,T,T], as `attentionProbabilitiesGradient` gives it, or as a method has changed it. */
  readonly dp?: Value | Tensor | undefined;
}

/**
 * Records the gradient of attention: dp = dy v^T, ds = p (dp - sum of p dp), dq = ds k / sqrt(d), dk = ds^T q / sqrt(d), dv = p^T dy.
 *
 * dy [N,T,D], qkv [N,T,3 D], p [N,HEADS,T,T] -> dqkv [N,T,3 D]. Five dispatches, two more where p is not given.
 */
export function attentionBackward(
  r: Recorder,
  inputs: AttentionBackwardInputs,
  options: HeadsOption,
): Value {
  const [dy, qkv] = [r.value(inputs.dy), r.value(inputs.qkv)];
  const p = inputs.p ? r.value(inputs.p) : attentionProbabilities(r, qkv, options);
  const dp = inputs.dp
    ? r.value(inputs.dp)
    : r.k(attentionProbabilitiesGradient, { a: dy, b: qkv }, options);
  const ds = r.k(softmaxBackward, { dy: asRows(dp), y: asRows(p) }).reshape(p.shape);
  const into = r.blank(qkv.shape);
  r.k(attentionQueryGradient, { a: ds, b: qkv }, {}, { into });
  r.k(attentionKeyGradient, { a: ds, b: qkv }, {}, { into });
  r.k(attentionValueGradient, { a: p, b: dy }, {}, { into });
  return into;
}
