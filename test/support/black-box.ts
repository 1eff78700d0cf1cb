import { readFileSync } from 'node:fs';
import { type ExplainOptions, explain } from '../../src/cam/explain.js';
import { classTarget } from '../../src/cam/target.js';
import type { Gpu } from '../../src/gpu/device.js';
import type { RunPlan } from '../../src/gpu/recorder.js';
import { Recorder } from '../../src/gpu/recorder.js';
import type { Architecture } from '../../src/net/architecture.js';
import { Graph } from '../../src/net/graph.js';
import {
  AdaptiveAvgPool2d,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from '../../src/net/modules.js';
import { Net } from '../../src/net/net.js';
import type { Ndarray } from './gpu.js';
import { hashWeights } from './hash-weights.js';
import { handOut } from './own-method.js';

/** A network as a black box: what it says of images that a test has made itself. Everything else of a reference is float64. */

export type Image = Ndarray & { readonly data: Float32Array };

/** The embedded toy_vgg; its `features.9` has 48 maps, at a quarter of the input's sides. */
export const toyVgg = (gpu: Gpu): Net =>
  Net.load(
    gpu,
    undefined,
    readFileSync(new URL('../../models/toy_vgg.safetensors', import.meta.url)),
  );

/** An architecture for inputs of any size, with hash weights or those given by name. */
export function ownNet(
  gpu: Gpu,
  build: (classes: number) => Graph,
  options: {
    readonly classes?: number;
    readonly layer?: string;
    readonly weights?: Readonly<Record<string, Float32Array>>;
  } = {},
): Net {
  const { classes = 4, layer = 'input', weights } = options;
  const architecture: Architecture = {
    name: 'own',
    paper: '',
    classes,
    head: 'head',
    defaultLayer: layer,
    preprocessing: {
      resize: 8,
      crop: 8,
      interpolation: 'bilinear',
      mean: [0.5, 0.5, 0.5],
      std: [0.25, 0.25, 0.25],
    },
    minInput: 1,
    build,
  };
  const graph = build(classes);
  const sources = weights
    ? new Map(
        [...graph.params].map(([name, shape]) => [name, { shape, read: () => weights[name] }]),
      )
    : hashWeights(graph, 6);
  return Net.from(gpu, architecture, sources);
}

/** The layer of {@link smallNet} to explain: 20 maps of 7 x 11 for an input of 16 x 24. */
export const smallLayer = 'features.4';

/** A network of two convolutions and six classes: few pipelines to make, so that many cases are quick. */
export const smallNet = (gpu: Gpu, weights?: Readonly<Record<string, Float32Array>>): Net =>
  ownNet(
    gpu,
    (classes) => {
      const g = new Graph();
      const maps = g.sequential('features', 'input', [
        Conv2d(3, 8, 3, { pad: 1 }),
        ReLU,
        MaxPool2d(3, 2),
        Conv2d(8, 20, 3, { pad: 1 }),
        ReLU,
        MaxPool2d(2, 2), // or the gradient would be the same all over the layer
      ]);
      const mean = g.add('mean', [maps], AdaptiveAvgPool2d([1, 1]));
      g.add('head', [g.add('flat', [mean], Flatten)], Linear(20, classes));
      return g;
    },
    { classes: 6, layer: smallLayer, ...(weights && { weights }) },
  );

/** A finished and a raw map, read. */
export async function explained(
  net: Net,
  x: Image,
  options: ExplainOptions,
): Promise<{ map: Float32Array; raw: Float32Array; logits: Float32Array; plan: RunPlan }> {
  const input = net.gpu!.tensor(x.data, x.shape);
  try {
    const result = await explain(net, input, options);
    const [map, raw, logits] = (await net.gpu!.read([
      result.map,
      result.raw,
      result.logits,
    ])) as Float32Array[];
    const { plan } = result;
    result.destroy();
    return { map, raw, logits, plan };
  } finally {
    input.destroy();
  }
}

/** Copies that {@link logitsOf} asks about at once: one size, so that the pipelines are made once. */
export const askedAtOnce = 10;

/** Logits of images [N,3,H,W], a row each; or of values of another node, run from there on. */
export async function logitsOf(
  net: Net,
  { shape: [N, ...size], data }: Image,
  node = 'input',
): Promise<Float32Array[]> {
  const r = Recorder.on(net.gpu!);
  const one = data.length / N;
  const batch = N === 1 ? 1 : askedAtOnce;
  const outputs = Array.from({ length: Math.ceil(N / batch) }, (_, i) => {
    const part = new Float32Array(batch * one);
    part.set(data.subarray(i * part.length, (i + 1) * part.length));
    return net.traceFrom(r, { [node]: r.constant(part, [batch, ...size]) }).output;
  });
  const tensors = await r.run(outputs);
  const parts = (await net.gpu!.read(tensors)) as Float32Array[];
  for (const tensor of tensors) tensor.destroy();
  const C = net.classes;
  return Array.from({ length: N }, (_, n) => {
    const first = (n % batch) * C;
    return parts[Math.floor(n / batch)].slice(first, first + C);
  });
}

/** Probabilities of a class for copies of an image of [1,3,H,W]. */
export async function probabilitiesOf(
  net: Net,
  copies: readonly ArrayLike<number>[],
  [, ...size]: readonly number[],
  classId: number,
): Promise<number[]> {
  const data = new Float32Array(copies.length * copies[0].length);
  for (const [n, copy] of copies.entries()) data.set(Float32Array.from(copy), n * copy.length);
  const rows = await logitsOf(net, { shape: [copies.length, ...size], data });
  return rows.map((row) => softmax(row)[classId]);
}

export function softmax(row: ArrayLike<number>): number[] {
  const most = Math.max(...Array.from(row));
  const e = Array.from(row, (v) => Math.exp(v - most));
  const sum = e.reduce((a, b) => a + b);
  return e.map((v) => v / sum);
}

export const argmax = (row: ArrayLike<number>): number =>
  Array.from(row).reduce((best, v, i) => (v > row[best] ? i : best), 0);

/** Activations and gradients of a class's logit at a layer, for one image; K maps of h x w. */
export async function featuresOf(
  net: Net,
  x: Image,
  layer: string,
  classId: number,
): Promise<{ A: Float32Array; G: Float32Array; K: number; h: number; w: number }> {
  const target = classTarget(classId);
  const [a, g] = [
    await explained(net, x, { method: handOut('A'), layer, target }),
    await explained(net, x, { method: handOut('G'), layer, target }),
  ];
  const shapes = net.layers([x.shape[2], x.shape[3]]).find(({ name }) => name === layer)!.shape;
  return { A: a.raw, G: g.raw, K: shapes[1], h: shapes[2], w: shapes[3] };
}

/** Map `k` of a stack of maps of `size` elements. */
export const mapOf = <T extends Float32Array | Float64Array>(maps: T, k: number, size: number): T =>
  maps.subarray(k * size, (k + 1) * size) as T;

/** Min-max to 0..1; a constant map gives zeros. */
export function stretched(map: Float64Array): Float64Array {
  const least = map.reduce((a, b) => Math.min(a, b));
  const span = map.reduce((a, b) => Math.max(a, b)) - least;
  return map.map((v) => (span > 0 ? (v - least) / span : 0));
}

/** x m + canvas (1 - m), of [3,H,W] under a mask [H,W]. */
export const blended = (
  x: ArrayLike<number>,
  mask: ArrayLike<number>,
  canvas?: ArrayLike<number>,
): Float64Array =>
  Float64Array.from({ length: x.length }, (_, i) => {
    const m = mask[i % mask.length];
    return x[i] * m + (canvas ? canvas[i] * (1 - m) : 0);
  });

/** sum over k of w[k] maps[k]. */
export function combined(maps: readonly ArrayLike<number>[], w: readonly number[]): Float64Array {
  const sum = new Float64Array(maps[0].length);
  for (const [k, map] of maps.entries()) {
    for (let i = 0; i < sum.length; i++) sum[i] += w[k] * map[i];
  }
  return sum;
}
