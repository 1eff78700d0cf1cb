import type { Graph } from '../../src/net/graph.js';
import type { ParamSource } from '../../src/net/params.js';

/** The golden files' hash weights (hashspec v1 of their README): networks without a download. */

export function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

export function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The values of one tensor, by its state_dict name. */
export function hashTensor(
  name: string,
  shape: readonly number[],
  gain: number,
  salt = '',
  siblingRank = 0,
): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const leaf = name.slice(name.lastIndexOf('.') + 1);
  const out = new Float32Array(size);
  const base = fnv1a(salt + name);
  let scale = 1;
  let offset = 0;
  if (leaf === 'num_batches_tracked') return out;
  if (leaf === 'running_mean') scale = 0.1;
  else if (leaf === 'running_var') [scale, offset] = [0.2, 1];
  else if (leaf.endsWith('_token') || leaf === 'pos_embedding') scale = 0.02 * Math.sqrt(3);
  else if (leaf.endsWith('weight') && shape.length >= 2)
    scale = Math.sqrt(gain / (size / shape[0]));
  else if (leaf.endsWith('weight')) [scale, offset] = [0.1, 1];
  else if (leaf.endsWith('bias')) scale = siblingRank === 1 ? 0.1 : 0.05;
  else throw new Error(`hashspec has no rule for ${name}`);
  for (let i = 0; i < size; i++) {
    const t = 2 * (mix((i + base) >>> 0) / 2 ** 32) - 1;
    out[i] = offset === 0 ? t * scale : offset + scale * t;
  }
  return out;
}

/** Gain by architecture, from the README's table. */
export const gainOf = (arch: string): number =>
  (
    ({
      vit_b_16: 3,
      vit_tiny: 3,
      resnet18: 4,
      resnet50: 3.5,
      shufflenet_v2_x1_0: 5,
      efficientnet_b0: 6.5,
    }) as Record<string, number>
  )[arch] ?? 6;

/** Sources for all parameters of a graph, computed when read. */
export function hashWeights(graph: Graph, gain: number, salt = ''): Map<string, ParamSource> {
  const params = graph.params;
  return new Map(
    [...params].map(([name, shape]) => {
      const sibling = params.get(name.replace(/bias$/, 'weight'));
      return [
        name,
        { shape, read: () => hashTensor(name, shape, gain, salt, sibling?.length) },
      ] as const;
    }),
  );
}
