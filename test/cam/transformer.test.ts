/** Methods that look at a transformer's attention: properties, and restatements in float64 on a small network. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explain, planExplain } from '../../src/cam/explain.js';
import { methods } from '../../src/cam/registry.js';
import { classTarget, probabilityTarget, type Target } from '../../src/cam/target.js';
import { LayerError } from '../../src/errors.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import type { Net } from '../../src/net/net.js';
import { gradient, type RuleSet } from '../../src/net/rules.js';
import { attentionMapsOf, transformerRules } from '../../src/net/transformer-rules.js';
import { explained, type Image, smallNet } from '../support/black-box.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { tinyVitNet } from '../support/tiny-vit.js';

useGpu();

const [T, HEADS, depth] = [17, 4, 3];
const images = random([2, 3, 32, 32], 7);
const image = (n: number): Image => ({
  shape: [1, 3, 32, 32],
  data: images.data.subarray(n * 3072, (n + 1) * 3072),
});
/** Those that no other network can be explained by. */
const ofAttention = [...methods.values()].filter(({ suits }) => suits);
const names = ofAttention.map(({ name }) => name);

let net: Net;
let distilled: Net;
beforeAll(async () => {
  net = tinyVitNet(await testGpu());
  distilled = tinyVitNet(await testGpu(), { isDistilled: true });
});
afterAll(() => {
  net.destroy();
  distilled.destroy();
});

type Maps = readonly Float32Array[];

/** Attention of each block [HEADS,T,T], and what arrives there from 1 at a class, under rules. */
async function attention(of: Net, x: Image, classId: number, rules: RuleSet = gradient) {
  const recorder = Recorder.on(of.gpu!);
  const trace = of.trace(recorder, recorder.constant(x.data, x.shape), { backwardTo: ['input'] });
  const nodes = attentionMapsOf(of.graph);
  const seed = Float32Array.from({ length: of.classes }, (_, c) => Number(c === classId));
  const dy = recorder.constant(seed, [1, of.classes]);
  const found = trace.backward(of.graph.output, dy, nodes, rules);
  const values = [...nodes.map((n) => trace.value(n)), ...nodes.map((n) => found.get(n)!)];
  const tensors = await recorder.run(values);
  const read = (await of.gpu!.read(tensors)) as Float32Array[];
  for (const tensor of tensors) tensor.destroy();
  return { A: read.slice(0, nodes.length), arriving: read.slice(nodes.length) };
}

type Matrix = number[][];
/** Mean over heads of f(element). */
const mean = (size: number, f: (i: number) => number): Matrix =>
  Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) => {
      let sum = 0;
      for (let h = 0; h < HEADS; h++) sum += f((h * size + i) * size + j) / HEADS;
      return sum;
    }),
  );
const plusIdentity = (m: Matrix): Matrix =>
  m.map((row, i) => row.map((v, j) => v + Number(i === j)));
const normalised = (m: Matrix): Matrix =>
  m.map((row) => row.map((v) => v / row.reduce((a, b) => a + b)));
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0].map((_, j) => row.reduce((sum, v, k) => sum + v * b[k][j], 0)));
const product = (all: readonly Matrix[]): Matrix => all.reduce((c, m) => times(m, c));
const patches = (m: Matrix, token = 0, extra = 1) => m[token].slice(extra);
const relu = (v: number) => Math.max(0, v);

const rawOf = async (of: Net, x: Image, method: string, options = {}, classId = 3) =>
  (await explained(of, x, { method, options, target: classTarget(classId) })).raw;

describe('formulas in float64', () => {
  let A: Maps;
  let G: Maps;
  let R: Maps;
  let orig: Maps;
  beforeAll(async () => {
    const x = image(1);
    ({ A, arriving: G } = await attention(net, x, 3));
    ({ arriving: R } = await attention(net, x, 3, transformerRules('transformer')));
    ({ arriving: orig } = await attention(net, x, 3, transformerRules('transformer-orig')));
  });
  const near = async (method: string, options: object, want: ArrayLike<number>) => {
    const got = await rawOf(net, image(1), method, options);
    expect(relativeL2(got, want), `${method} ${JSON.stringify(options)}`).toBeLessThan(2e-5);
  };

  test('raw attention, of any block', async () => {
    for (const [block, b] of [
      [-1, 2],
      [0, 0],
      [1, 1],
      [-3, 0],
    ]) {
      await near('raw-attention', { block }, patches(mean(T, (i) => A[b][i])));
    }
  });

  test('attention rollout is a product of whole matrices', async () => {
    const all = A.map((a) => plusIdentity(mean(T, (i) => a[i])));
    await near('attention-rollout', {}, patches(product(all.map(normalised))));
    await near('attention-rollout', { start: 1 }, patches(product(all.slice(1).map(normalised))));
    await near('attention-rollout', { normalise: false }, patches(product(all)));
  });

  test('generic attention adds to R block by block', async () => {
    const identity = plusIdentity(Array.from({ length: T }, () => new Array(T).fill(0)));
    let rule = identity;
    for (let b = 0; b < depth; b++) {
      const step = times(
        mean(T, (i) => relu(G[b][i] * A[b][i])),
        rule,
      );
      rule = rule.map((row, i) => row.map((v, j) => v + step[i][j]));
    }
    await near('generic-attention', {}, patches(rule));
  });

  test('transformer attribution, its orders and its rollout of relevance', async () => {
    const all = R.map((r, b) => plusIdentity(mean(T, (i) => relu(r[i] * G[b][i]))));
    await near('transformer-attribution', {}, patches(product(all)));
    await near('transformer-attribution', { start: 2 }, patches(all[2]));
    await near('transformer-attribution', { order: 'paper' }, patches(product([...all].reverse())));
    const plain = orig.map((r) => plusIdentity(mean(T, (i) => relu(r[i]))));
    const options = { gradient: false, composite: 'transformer-orig' };
    await near('transformer-attribution', options, patches(product(plain)));
  });

  test('partial LRP is relevance of one block', async () => {
    await near('partial-lrp', {}, patches(mean(T, (i) => relu(orig[2][i]))));
    const options = { composite: 'transformer', block: 1 };
    await near('partial-lrp', options, patches(mean(T, (i) => relu(R[1][i]))));
  });

  test('Grad-CAM of attention weights each head by the mean of its gradients', async () => {
    const row = (maps: Maps, h: number) => maps[2].subarray(h * T * T + 1, h * T * T + T);
    const want = new Float64Array(T - 1);
    for (let h = 0; h < HEADS; h++) {
      const weight = row(G, h).reduce((a, b) => a + b, 0) / (T - 1) / HEADS;
      row(A, h).forEach((a, i) => {
        want[i] += weight * a;
      });
    }
    await near('attention-grad-cam', {}, want);
  });
});

test('a distilled network is explained by both of its tokens', async () => {
  const { A, arriving: G } = await attention(distilled, image(0), 3);
  const size = T + 1;
  const means = A.map((a) => mean(size, (i) => a[i]));
  const both = (m: Matrix) => patches(m, 0, 2).map((v, i) => (v + patches(m, 1, 2)[i]) / 2);
  const raw = await rawOf(distilled, image(0), 'raw-attention');
  expect(relativeL2(raw, both(means[2]))).toBeLessThan(2e-5);
  const rollout = product(means.map((m) => normalised(plusIdentity(m))));
  const rolled = await rawOf(distilled, image(0), 'attention-rollout');
  expect(relativeL2(rolled, both(rollout))).toBeLessThan(2e-5);
  const generic = product(A.map((a, b) => plusIdentity(mean(size, (i) => relu(G[b][i] * a[i])))));
  expect(
    relativeL2(await rawOf(distilled, image(0), 'generic-attention'), both(generic)),
  ).toBeLessThan(2e-5);
  for (const name of [...names, 'lrp']) {
    const { map, raw: values } = await explained(distilled, image(0), { method: name });
    expect(map.every(Number.isFinite), name).toBe(true);
    expect(new Set(values).size, name).toBeGreaterThan(10);
  }
});

test.each([...names, 'lrp'])('%s of two images is that of each alone', async (name) => {
  const target = classTarget([3, 5]);
  const { raw, map } = await explained(net, images, { method: name, target });
  for (const [n, classId] of [3, 5].entries()) {
    const alone = await explained(net, image(n), { method: name, target: classTarget(classId) });
    const part = (a: Float32Array) => a.subarray((n * a.length) / 2, ((n + 1) * a.length) / 2);
    // Sums near 0 are divided by: what another order of summation changes, relevance shows.
    expect(relativeL2(part(raw), alone.raw)).toBeLessThan(2e-3);
    expect(relativeL2(part(map), alone.map)).toBeLessThan(2e-3);
  }
});

test.each(ofAttention.map((m) => [m.name, m.usesTarget] as const))(
  '%s asks for the class: %s',
  async (name, usesTarget) => {
    const [c, d] = [
      await rawOf(net, image(0), name, {}, 3),
      await rawOf(net, image(0), name, {}, 5),
    ];
    if (usesTarget) expect(relativeL2(c, d)).toBeGreaterThan(0.05);
    else expect(c).toEqual(d);
  },
);

test('rolled-out attention of all tokens adds up to 1', async () => {
  // The class token is all that is missing at the patches; what it keeps comes from a product on the CPU.
  const { A } = await attention(net, image(0), 3);
  const whole = product(A.map((a) => normalised(plusIdentity(mean(T, (i) => a[i])))));
  const raw = await rawOf(net, image(0), 'attention-rollout');
  expect(raw.reduce((a, b) => a + b, 0) + whole[0][0]).toBeCloseTo(1, 5);
  expect(raw.every((v) => v > 0)).toBe(true);
});

test.each(names)('%s of a network without attention is an error that says so', async (name) => {
  const cnn = smallNet(await testGpu());
  const input = placeholder([1, 3, 16, 24]);
  expect(() => planExplain(cnn, input, { method: name })).toThrow(LayerError);
  expect(() => planExplain(cnn, input, { method: name })).toThrow(
    /^own has no attention .* choose a vit or deit/,
  );
  cnn.destroy();
});

test.each([
  ['raw-attention', { block: 3 }, /block 3 is out of range: vit_tiny has 0 .. 2, -1 is the last/],
  ['partial-lrp', { block: -4 }, /block -4 is out of range/],
  ['attention-rollout', { start: 3 }, /start 3 leaves no block: vit_tiny has 0 .. 2/],
  ['transformer-attribution', { start: -1 }, /start is -1, should be a number of at least 0/],
  ['partial-lrp', { composite: 'z-plus' }, /one of transformer, transformer-orig/],
])('%s refuses %j', (method, options, message) => {
  const input = placeholder([1, 3, 32, 32]);
  expect(() => planExplain(net, input, { method, options })).toThrow(message);
});

test('relevance rules of the other kind of network are refused, and auto takes the right ones', async () => {
  const input = placeholder([1, 3, 32, 32]);
  const composite = 'z-plus';
  for (const method of ['lrp', 'relevance-cam']) {
    expect(() => planExplain(net, input, { method, options: { composite } })).toThrow(
      /^composite z-plus is not for vit_tiny: choose auto, transformer or/,
    );
  }
  const cnn = smallNet(await testGpu());
  const other = { method: 'lrp', options: { composite: 'transformer' } };
  expect(() => planExplain(cnn, placeholder([1, 3, 16, 24]), other)).toThrow(
    /^composite transformer is not for own/,
  );
  cnn.destroy();
  const auto = await rawOf(net, image(0), 'lrp');
  expect(auto).toEqual(await rawOf(net, image(0), 'lrp', { composite: 'transformer' }));
  const contrast = await rawOf(net, image(0), 'relevance-cam');
  const plain = { composite: 'transformer-orig' };
  expect(contrast).toEqual(await rawOf(net, image(0), 'relevance-cam', plain));
  expect(new Set(contrast).size).toBe(T - 1);
  // Contrastive relevance adds up to 0: shares of that are noise.
  const options = { composite: 'transformer' };
  expect(() => planExplain(net, input, { method: 'relevance-cam', options })).toThrow(
    /adds up to 0/,
  );
  const alone = await rawOf(net, image(0), 'relevance-cam', { ...options, start: 'class' });
  expect(new Set(alone).size).toBe(T - 1);
});

test.each([
  ['partial-lrp', {}],
  ['transformer-attribution', { gradient: false }],
])('%s of a probability begins with 1 at its class', async (method, options) => {
  const of = (target: Target) => explained(net, image(0), { method, options, target });
  const { raw } = await of(classTarget(3));
  expect(new Set(raw).size).toBeGreaterThan(2);
  expect(relativeL2((await of(probabilityTarget(3))).raw, raw)).toBeLessThan(1e-6);
});

test('only what the chosen blocks need is computed', () => {
  const input = placeholder([1, 3, 32, 32]);
  const dispatches = (method: string, options = {}) =>
    planExplain(net, input, { method, options }).dispatches;
  const [all, two, one] = [0, 1, 2].map((start) =>
    dispatches('transformer-attribution', { start }),
  );
  expect(one).toBeLessThan(two);
  expect(two).toBeLessThan(all);
  expect(all - two).toBeGreaterThan(30);
  expect(dispatches('partial-lrp')).toBeLessThan(one);
});

test('another number of patches: the map follows the grid', async () => {
  const wide = random([1, 3, 40, 48], 3);
  for (const method of names) {
    const input = net.gpu!.tensor(wide.data, wide.shape);
    const result = await explain(net, input, { method });
    expect(result.raw.shape).toEqual([1, 5, 6]);
    expect((await result.read()).every(Number.isFinite)).toBe(true);
    result.destroy();
    input.destroy();
  }
});
