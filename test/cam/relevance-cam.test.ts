import { afterAll, beforeAll, expect, test } from 'vitest';
import { planExplain } from '../../src/cam/explain.js';
import type { OptionValues } from '../../src/cam/method.js';
import {
  classTarget,
  cosineTarget,
  linearTarget,
  probabilityTarget,
  type Target,
} from '../../src/cam/target.js';
import { TargetError } from '../../src/errors.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import { Graph } from '../../src/net/graph.js';
import { composites, relevanceRules } from '../../src/net/lrp.js';
import { AdaptiveAvgPool2d, Conv2d, Flatten, Linear, ReLU } from '../../src/net/modules.js';
import type { Net } from '../../src/net/net.js';
import {
  explained,
  featuresOf,
  logitsOf,
  mapOf,
  ownNet,
  smallLayer,
  smallNet,
  softmax,
} from '../support/black-box.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';

useGpu();
const x = random([1, 3, 16, 24], 5);
const classId = 2;
let net: Net;

beforeAll(async () => {
  net = smallNet(await testGpu());
});
afterAll(() => net.destroy());

const rawOf = async (options: OptionValues, of = net, c = classId, layer = smallLayer) =>
  (await explained(of, x, { method: 'relevance-cam', layer, options, target: classTarget(c) })).raw;

/** sum over k of mean(R_k) A_k, R of a relevance of `seed` at the output. */
async function reference(seed: Float32Array, composite: (typeof composites)[number]) {
  const { A, K, h, w } = await featuresOf(net, x, smallLayer, classId);
  const recorder = Recorder.on(net.gpu!);
  const trace = net.trace(recorder, recorder.constant(x.data, x.shape), { taps: [smallLayer] });
  const rules = relevanceRules(composite, { low: [-2, -2, -2], high: [2, 2, 2] });
  const start = recorder.constant(seed, [1, net.classes]);
  const [tensor] = await recorder.run([
    trace.backward('head', start, [smallLayer], rules).get(smallLayer)!,
  ]);
  const R = await tensor.read();
  tensor.destroy();
  const raw = new Float64Array(h * w);
  for (let k = 0; k < K; k++) {
    const mean = mapOf(R, k, h * w).reduce((a, b) => a + b, 0) / (h * w);
    mapOf(A, k, h * w).forEach((a, i) => {
      raw[i] += mean * a;
    });
  }
  return raw;
}

test.each([...composites])('weights maps by their mean relevance: %s', async (composite) => {
  const [logits] = await logitsOf(net, x);
  const only = logits.map((y, c) => (c === classId ? y : 0));
  const against = logits.map((_, c) => (c === classId ? 1 : -1 / 5));
  expect(
    relativeL2(await rawOf({ composite, start: 'class' }), await reference(only, composite)),
  ).toBeLessThan(1e-5);
  expect(relativeL2(await rawOf({ composite }), await reference(against, composite))).toBeLessThan(
    1e-5,
  );
});

test('the contrastive start is the class less the mean of the others', async () => {
  const [logits] = await logitsOf(net, x);
  const each: Float32Array[] = [];
  for (let c = 0; c < 6; c++) each.push(await rawOf({ start: 'class' }, net, c));
  expect(logits.some((z) => z < 0)).toBe(true);
  for (let own = 0; own < 6; own++) {
    const want = each[own].map((_, i) =>
      each.reduce((s, raw, c) => s + ((c === own ? 1 : -1 / 5) * raw[i]) / logits[c], 0),
    );
    const got = await rawOf({}, net, own);
    expect(relativeL2(got, want)).toBeLessThan(1e-4);
  }
});

test('before global averaging the epsilon rule weights by what a map adds to the score', async () => {
  const own = ownNet(
    await testGpu(),
    (classes) => {
      const g = new Graph();
      const maps = g.sequential('features', 'input', [Conv2d(3, 8, 3, { pad: 1 }), ReLU]);
      const mean = g.add('mean', [maps], AdaptiveAvgPool2d([1, 1]));
      g.add('head', [g.add('flat', [mean], Flatten)], Linear(8, classes));
      return g;
    },
    { layer: 'features.1' },
  );
  const { A, G, K, h, w } = await featuresOf(own, x, 'features.1', classId);
  const raw = new Float64Array(h * w);
  for (let k = 0; k < K; k++) {
    // G is w_ck / (h w) everywhere: mean(G A) is the map's part of the logit over h w.
    const [a, g] = [mapOf(A, k, h * w), mapOf(G, k, h * w)];
    const weight = a.reduce((s, v, i) => s + v * g[i], 0) / (h * w);
    a.forEach((v, i) => {
      raw[i] += weight * v;
    });
  }
  const options = { start: 'class', composite: 'epsilon' };
  const got = await rawOf(options, own, classId, 'features.1');
  expect(relativeL2(got, raw)).toBeLessThan(1e-3); // the stabiliser of averages
  own.destroy();
});

test('a target that is no class cannot be held against others', async () => {
  const options = { layer: smallLayer, target: linearTarget(Float32Array.of(1, 2, 0, 0, 0, -1)) };
  await expect(explained(net, x, { method: 'relevance-cam', ...options })).rejects.toThrow(
    TargetError,
  );
  const start = { start: 'class' };
  await explained(net, x, { method: 'relevance-cam', ...options, options: start });
});

test('relevance of a probability is that of its class, from the probability on', async () => {
  const [logits] = await logitsOf(net, x);
  const p = softmax(logits)[classId];
  for (const [method, options] of [
    ['lrp', { composite: 'epsilon-plus-flat' }],
    ['relevance-cam', { start: 'class', composite: 'z-plus' }],
  ] as const) {
    const of = (target: Target) =>
      explained(net, x, { method, layer: smallLayer, options, target });
    const { raw } = await of(classTarget(classId));
    const want = raw.map((v) => (v * p) / logits[classId]);
    const got = await of(probabilityTarget(classId));
    expect(relativeL2(got.raw, want), method).toBeLessThan(1e-5);
  }
});

test('a score that is neither of a class nor linear has no relevance to begin with', async () => {
  const { A } = await featuresOf(net, x, smallLayer, classId);
  const features = A.map((v, i) => v + (i % 5));
  const cosine = cosineTarget(smallLayer, features);
  const input = placeholder(x.shape);
  const refused = (target: Target) =>
    expect(() => planExplain(net, input, { method: 'lrp', target })).toThrow(TargetError);
  refused(cosine);
  expect(() => planExplain(net, input, { method: 'lrp', target: cosine })).toThrow(
    /^cosine similarity .*: relevance begins with a class, or with a score that is linear/,
  );
  // One's own: as linear as it says.
  const coefficients = Float32Array.of(1, -2, 0, 0.5, 0, 0);
  const own = (isLinear: boolean): Target => {
    const [{ seed }] = linearTarget(coefficients).parts;
    return { description: 'own', parts: [{ weight: 1, seed, isLinear }] };
  };
  refused(own(false));
  const of = (target: Target) => explained(net, x, { method: 'lrp', target });
  expect((await of(own(true))).raw).toEqual((await of(linearTarget(coefficients))).raw);
});
