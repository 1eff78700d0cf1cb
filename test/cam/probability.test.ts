import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  explain,
  type Method,
  methodNamed,
  methods,
  type OptionValues,
} from '../../src/cam/index.js';
import { optionsOf } from '../../src/cam/options.js';
import { classTarget, probabilityTarget, type Target } from '../../src/cam/target.js';
import type { Tensor } from '../../src/gpu/tensor.js';
import type { Net } from '../../src/net/net.js';
import { smallNet } from '../support/black-box.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { random, relativeL2 } from '../support/numbers.js';
import { quickOptions } from '../support/quick-options.js';

useGpu();

let net: Net;
let input: Tensor;
beforeAll(async () => {
  const gpu = await testGpu();
  net = smallNet(gpu);
  input = gpu.tensor(random([1, 3, 16, 24], 3).data, [1, 3, 16, 24]);
});
afterAll(() => {
  for (const owned of [net, input]) owned.destroy();
});

/** They score copies by the probability whatever the target: what they explain is what was asked for. */
const byProbability = [
  ...['score-cam', 'ss-cam', 'is-cam', 'rise', 'occlusion', 'lime', 'kernel-shap'],
  'meaningful-perturbation',
];

describe('a probability makes another map, or the method says that it does not', () => {
  const all = [...methods.values()].filter(({ usesTarget, suits }) => usesTarget && !suits);
  const cases: [string, Method, OptionValues][] = [
    ...all.map((m): [string, Method, OptionValues] => [m.name, m, quickOptions[m.name] ?? {}]),
    ['score-cam:score=logit', methodNamed('score-cam'), { score: 'logit' }],
    ['relevance-cam:start=class', methodNamed('relevance-cam'), { start: 'class' }],
    ['smooth-ablation-cam', methodNamed('smooth-ablation-cam'), { samples: 2 }],
  ];

  test.each(cases)('%s', async (name, method, options) => {
    const rawOf = async (target: Target) => {
      const result = await explain(net, input, { method, options, target });
      const raw = await result.raw.read();
      result.destroy();
      return raw;
    };
    const [logit, probability] = [await rawOf(classTarget(1)), await rawOf(probabilityTarget(1))];
    expect(logit.some((v) => v !== 0)).toBe(true);
    const isSame = relativeL2(probability, logit) < 1e-6;
    const ignores = method.ignoresProbability?.(optionsOf(method, options)) ?? false;
    expect(isSame).toBe(ignores || byProbability.includes(name));
  });
});
