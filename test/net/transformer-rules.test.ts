/**
 * Relevance rules of transformers against slow dense replicas in float64, written from the authors' formulas: from the values of a small network and
 * what arrives at a node, what each of its inputs gets, every contribution by itself.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LayerError } from '../../src/errors.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { imagenetPreprocessing } from '../../src/image/preprocessing.js';
import { Graph, type Node, paramName } from '../../src/net/graph.js';
import { Conv2d, Flatten, Linear, MaxPool2d } from '../../src/net/modules.js';
import type { Net } from '../../src/net/net.js';
import {
  type TransformerComposite,
  transformerComposites,
  transformerRules,
} from '../../src/net/transformer-rules.js';
import { ownNet } from '../support/black-box.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { gainOf, hashWeights } from '../support/hash-weights.js';
import { random, relativeL2 } from '../support/numbers.js';
import { tinyVitNet } from '../support/tiny-vit.js';

useGpu();

const sizes = {
  ...{ patch: 4, dim: 12, depth: 2, heads: 3, mlp: 20, isDistilled: true },
  preprocessing: { ...imagenetPreprocessing, resize: 8, crop: 8 },
};
const x = random([2, 3, 8, 8], 3);
const classes = [3, 5];
const N = 2;

interface Stack {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}
type Stacks = ReadonlyMap<string, Stack>;

/** Values and relevance of all nodes that have some. */
async function relevanceOf(net: Net, composite: TransformerComposite) {
  const recorder = Recorder.on(net.gpu!);
  const { names } = net.graph;
  const trace = net.trace(recorder, recorder.constant(x.data, x.shape), {
    taps: names,
    backwardTo: ['input'],
  });
  const seed = new Float32Array(N * net.classes);
  classes.forEach((c, n) => {
    seed[n * net.classes + c] = 1;
  });
  const dy = recorder.constant(seed, [N, net.classes]);
  const found = trace.backward(net.graph.output, dy, names, transformerRules(composite));
  const values = names.map((name) => trace.value(name));
  const all = [...values, ...names.map((name) => found.get(name)!)];
  const tensors = await recorder.run(all);
  const read = await net.gpu!.read(tensors);
  for (const tensor of tensors) tensor.destroy();
  const table = (of: typeof read): Stacks =>
    new Map(names.map((name, i) => [name, { shape: values[i].shape, data: of[i] }]));
  return { values: table(read.slice(0, names.length)), relevance: table(read.slice(names.length)) };
}

const over = (r: number, z: number) => (z === 0 ? 0 : r / (z + 1e-9));
const pos = (v: number) => Math.max(v, 0);
const neg = (v: number) => Math.min(v, 0);
const last = (a: readonly number[]) => a[a.length - 1];

/** What each input of a node gets. */
type Replica = (at: {
  node: Node;
  inputs: readonly Stack[];
  r: ArrayLike<number>;
  param(name: string): ArrayLike<number>;
  composite: TransformerComposite;
  heads: number;
}) => ArrayLike<number>[];

const linear: Replica = ({ node, inputs: [a], r, param, composite }) => {
  const [K, C] = node.params.weight;
  const w = param('weight');
  const out = new Float64Array(a.data.length);
  const groups = [
    [(v: number, u: number) => pos(v) * pos(u)],
    [(v: number, u: number) => neg(v) * neg(u)],
  ];
  const shares = composite === 'transformer' ? [groups.flat()] : groups;
  for (let m = 0; m < a.data.length / C; m++) {
    for (let k = 0; k < K; k++) {
      for (const parts of shares) {
        const c = Array.from({ length: C }, (_, j) =>
          parts.reduce((sum, part) => sum + part(a.data[m * C + j], w[k * C + j]), 0),
        );
        const z = c.reduce((s, v) => s + v, 0);
        c.forEach((v, j) => {
          out[m * C + j] += v * over(r[m * K + k], z);
        });
      }
    }
  }
  return [out];
};

function split(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  r: ArrayLike<number>,
  composite: TransformerComposite,
) {
  const size = a.length / N;
  const parts = [a, b].map((v) =>
    Float64Array.from(v, (value, i) => value * over(r[i], a[i] + b[i])),
  );
  if (composite === 'transformer') {
    for (let n = 0; n < N; n++) {
      const total = (v: ArrayLike<number>) =>
        Array.from({ length: size }, (_, i) => v[n * size + i]).reduce((s, u) => s + u, 0);
      const [A, B, R] = [total(parts[0]), total(parts[1]), total(r)];
      parts.forEach((part, i) => {
        const own = i === 0 ? A : B;
        const share = over(Math.abs(own), Math.abs(A) + Math.abs(B)) * R;
        for (let j = n * size; j < (n + 1) * size; j++) part[j] *= over(share, own);
      });
    }
  }
  return parts;
}

const sum: Replica = ({ inputs: [a, b], r, composite }) => split(a.data, b.data, r, composite);

const tokens: Replica = ({ inputs: [maps], r, param, composite }) => {
  const [, D, h, w] = maps.shape;
  const [first, T] = [2, 2 + h * w];
  const extra = ['class_token', 'dist_token'].map((name) => param(name));
  const pos = param('pos_embedding');
  const place = (n: number, t: number, d: number) => (n * D + d) * h * w + t - first;
  const own = Float64Array.from({ length: N * T * D }, (_, i) => {
    const [n, t, d] = [Math.floor(i / (T * D)), Math.floor(i / D) % T, i % D];
    return t < first ? extra[t][d] : maps.data[place(n, t, d)];
  });
  const added = own.map((_, i) => pos[i % (T * D)]);
  const [mine] = split(own, added, r, composite);
  const out = new Float64Array(maps.data.length);
  mine.forEach((v, i) => {
    const [n, t, d] = [Math.floor(i / (T * D)), Math.floor(i / D) % T, i % D];
    if (t >= first) out[place(n, t, d)] = v;
  });
  return [out];
};

const pixels: Replica = ({ node, inputs: [image], r, param }) => {
  const [K, C, S] = node.params.weight;
  const w = param('weight');
  const [, , H, W] = image.shape;
  const [h, v] = [H / S, W / S];
  const out = new Float64Array(image.data.length);
  const size = C * H * W;
  for (let n = 0; n < N; n++) {
    const own = Array.from({ length: size }, (_, i) => image.data[n * size + i]);
    const [low, high] = [Math.min(...own), Math.max(...own)];
    for (let k = 0; k < K; k++) {
      for (let p = 0; p < h * v; p++) {
        const at: number[] = [];
        const c = Array.from({ length: C * S * S }, (_, j) => {
          const [ch, y, u] = [Math.floor(j / (S * S)), Math.floor(j / S) % S, j % S];
          at.push((ch * H + Math.floor(p / v) * S + y) * W + (p % v) * S + u);
          const weight = w[k * C * S * S + j];
          return own[at[j]] * weight - low * pos(weight) - high * neg(weight);
        });
        const z = c.reduce((s, value) => s + value, 0);
        c.forEach((value, j) => {
          out[n * size + at[j]] += value * over(r[(n * K + k) * h * v + p], z);
        });
      }
    }
  }
  return [out];
};

/** Places of q (0), k (1) and v (2) in a projection [N,T,3 D]. */
const third = (T: number, D: number, heads: number) => {
  return (which: number, n: number, head: number, t: number, c: number) =>
    (n * T + t) * 3 * D + which * D + head * (D / heads) + c;
};

const attended: Replica = ({ inputs: [p, qkv], r, heads }) => {
  const T = qkv.shape[1];
  const D = last(qkv.shape) / 3;
  const of = third(T, D, heads);
  const [ofMap, ofRows] = [new Float64Array(p.data.length), new Float64Array(qkv.data.length)];
  for (let n = 0; n < N; n++) {
    for (let head = 0; head < heads; head++) {
      for (let t = 0; t < T; t++) {
        for (let c = 0; c < D / heads; c++) {
          const at = (u: number) => ((n * heads + head) * T + t) * T + u;
          const parts = Array.from(
            { length: T },
            (_, u) => p.data[at(u)] * qkv.data[of(2, n, head, u, c)],
          );
          const z = parts.reduce((s, v) => s + v, 0);
          const s = over(r[(n * T + t) * D + (head * D) / heads + c], z) / 2;
          parts.forEach((v, u) => {
            ofMap[at(u)] += v * s;
            ofRows[of(2, n, head, u, c)] += v * s;
          });
        }
      }
    }
  }
  return [ofMap, ofRows];
};

const scores: Replica = ({ inputs: [qkv], r, heads }) => {
  const T = qkv.shape[1];
  const D = last(qkv.shape) / 3;
  const of = third(T, D, heads);
  const out = new Float64Array(qkv.data.length);
  for (let n = 0; n < N; n++) {
    for (let head = 0; head < heads; head++) {
      for (let t = 0; t < T; t++) {
        for (let u = 0; u < T; u++) {
          const parts = Array.from(
            { length: D / heads },
            (_, c) => qkv.data[of(0, n, head, t, c)] * qkv.data[of(1, n, head, u, c)],
          );
          const z = parts.reduce((s, v) => s + v, 0);
          const s = over(r[((n * heads + head) * T + t) * T + u], z) / 2;
          parts.forEach((v, c) => {
            out[of(0, n, head, t, c)] += v * s;
            out[of(1, n, head, u, c)] += v * s;
          });
        }
      }
    }
  }
  return [out];
};

const one: Replica = ({ node, inputs: [a], r }) => {
  const [, T, D] = a.shape;
  const { token } = node.options as { token: number };
  return [
    Float64Array.from(a.data, (_, i) => {
      return Math.floor(i / D) % T === token ? r[Math.floor(i / (T * D)) * D + (i % D)] : 0;
    }),
  ];
};

const passes: Replica = ({ r }) => [r];

const replicas: Readonly<Record<string, Replica>> = {
  linear,
  add: sum,
  mean: sum,
  patchTokens: tokens,
  conv2d: pixels,
  attentionOutput: attended,
  attentionMap: scores,
  token: one,
  layerNorm: passes,
  gelu: passes,
  dropout: passes,
};

describe.each([...transformerComposites])('%s', (composite) => {
  let net: Net;
  let values: Stacks;
  let relevance: Stacks;
  beforeAll(async () => {
    net = tinyVitNet(await testGpu(), sizes);
    ({ values, relevance } = await relevanceOf(net, composite));
  });
  afterAll(() => net.destroy());

  test('each node shares out what arrives as its dense replica does', () => {
    const { graph } = net;
    const weights = hashWeights(graph, gainOf('vit_tiny'));
    const expected = new Map<string, Float64Array>();
    for (const node of graph.nodes) {
      if (node.kind === 'input') continue;
      const parts = replicas[node.kind]({
        node,
        inputs: node.inputs.map((name) => values.get(name)!),
        r: relevance.get(node.name)!.data,
        param: (name) => weights.get(paramName(node, name))!.read(),
        composite,
        heads: sizes.heads,
      });
      node.inputs.forEach((name, i) => {
        const before = expected.get(name);
        expected.set(
          name,
          Float64Array.from(parts[i], (v, j) => v + (before?.[j] ?? 0)),
        );
      });
    }
    expect(expected.size).toBeGreaterThan(25);
    for (const [name, want] of expected) {
      const { data } = relevance.get(name)!;
      expect.soft(relativeL2(data, want), name).toBeLessThan(1e-3);
    }
  });

  test(
    composite === 'transformer' ? 'relevance is conserved' : 'relevance is not conserved',
    () => {
      const totals = (name: string) => {
        const { data } = relevance.get(name)!;
        const size = data.length / N;
        return Array.from({ length: N }, (_, n) =>
          Array.from({ length: size }, (_, i) => data[n * size + i]).reduce((s, v) => s + v, 0),
        );
      };
      if (composite === 'transformer-orig') {
        expect(Math.abs(totals('encoder.dropout')[0] - 1)).toBeGreaterThan(0.5);
        return;
      }
      const whole = ['encoder.ln', 'encoder.dropout'];
      for (let b = 0; b < sizes.depth; b++) {
        const block = `encoder.layers.encoder_layer_${b}`;
        whole.push(block);
        const same = (name: string, as: string, factor = 1) =>
          totals(`${block}.${name}`).forEach((total, n) => {
            expect(total, name).toBeCloseTo(factor * totals(`${block}.${as}`)[n], 3);
          });
        same('mlp.0', 'mlp.4');
        same('ln_2', 'mlp.4');
        same('self_attention.heads', 'self_attention.out_proj');
        same('self_attention.softmax', 'self_attention.heads', 0.5);
        same('self_attention.in_proj', 'self_attention.heads');
        same('ln_1', 'self_attention.heads');
        whole.push(`${block}.add`);
      }
      for (const name of whole) {
        for (const total of totals(name)) expect(total, name).toBeCloseTo(1, 3);
      }
      // Positions and class tokens keep theirs, the pixels get what the patches got.
      totals('input').forEach((total, n) => {
        expect(total).toBeCloseTo(totals('conv_proj')[n], 3);
      });
    },
  );
});

test('a node without a rule is an error with its name', async () => {
  const net = ownNet(await testGpu(), (n) => {
    const g = new Graph();
    const maps = g.sequential('f', 'input', [Conv2d(3, 2, 3), MaxPool2d(2, 2), Flatten]);
    g.add('head', [maps], Linear(18, n));
    return g;
  });
  const recorder = Recorder.on(net.gpu!);
  const image = random([1, 3, 8, 8], 1);
  const trace = net.trace(recorder, recorder.constant(image.data, image.shape));
  const dy = recorder.constant(new Float32Array(4), [1, 4]);
  const rules = transformerRules('transformer');
  expect(() => trace.backward('head', dy, ['input'], rules)).toThrow(LayerError);
  expect(() => trace.backward('head', dy, ['input'], rules)).toThrow(/f\.2/);
  net.destroy();
});
