/**
 * A convolution that does what it and the batch norm behind it do, computed once in float64:
 * w' = w s, b' = (b - mean) s + bias with s = weight / sqrt(variance + eps).
 */
import type { Node } from './graph.js';
import type { Params } from './params.js';

function scales(params: Params, norm: Node<'batchNorm2d'>): Float64Array {
  const weight = params.read(`${norm.name}.weight`);
  const variance = params.read(`${norm.name}.running_var`);
  const eps = norm.options.eps ?? 1e-5;
  return Float64Array.from(weight, (w, k) => w / Math.sqrt(variance[k] + eps));
}

/** w' [K,C/groups,R,S]. */
export function foldedWeight(
  params: Params,
  conv: Node<'conv2d'>,
  norm: Node<'batchNorm2d'>,
): Float32Array {
  const s = scales(params, norm);
  const w = params.read(`${conv.name}.weight`);
  const perFilter = w.length / conv.params.weight[0];
  return w.map((value, i) => value * s[Math.floor(i / perFilter)]);
}

/** b' [K]. */
export function foldedBias(
  params: Params,
  conv: Node<'conv2d'>,
  norm: Node<'batchNorm2d'>,
): Float32Array {
  const s = scales(params, norm);
  const b = conv.params.bias
    ? params.read(`${conv.name}.bias`)
    : new Float32Array(conv.params.weight[0]);
  const mean = params.read(`${norm.name}.running_mean`);
  const bias = params.read(`${norm.name}.bias`);
  return b.map((value, k) => (value - mean[k]) * s[k] + bias[k]);
}
