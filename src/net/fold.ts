import type { Tensor } from '../gpu/tensor.js';
import type { Node } from './graph.js';
import type { Params } from './params.js';

/**
 * The weights of a convolution that does what it and the batch norm behind it do, computed once in float64:
 * w' = w s, b' = (b - mean) s + bias with s = weight / sqrt(variance + eps).
 */
export function foldBatchNorm(
  params: Params,
  conv: Node<'conv2d'>,
  norm: Node<'batchNorm2d'>,
): { w: Tensor; b: Tensor } {
  const [K] = conv.params.weight;
  const scales = () => {
    const weight = params.read(`${norm.name}.weight`);
    const variance = params.read(`${norm.name}.running_var`);
    const eps = norm.options.eps ?? 1e-5;
    return Float64Array.from(weight, (w, k) => w / Math.sqrt(variance[k] + eps));
  };
  return {
    w: params.derived(`${conv.name}.weight * ${norm.name}`, conv.params.weight, () => {
      const s = scales();
      const w = params.read(`${conv.name}.weight`);
      const perFilter = w.length / K;
      return w.map((value, i) => value * s[Math.floor(i / perFilter)]);
    }),
    b: params.derived(`${conv.name}.bias * ${norm.name}`, [K], () => {
      const s = scales();
      const b = conv.params.bias ? params.read(`${conv.name}.bias`) : new Float32Array(K);
      const mean = params.read(`${norm.name}.running_mean`);
      const bias = params.read(`${norm.name}.bias`);
      return b.map((value, k) => (value - mean[k]) * s[k] + bias[k]);
    }),
  };
}
