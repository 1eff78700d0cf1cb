import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Recorder } from '../../src/gpu/recorder.js';
import { type Composite, type RelevanceOptions, relevanceRules } from '../../src/net/lrp.js';
import type { Net } from '../../src/net/net.js';
import { goldenCases, goldenDir, hasFolder, readTensors } from '../support/folders.js';
import { testGpu, useGpu } from '../support/gpu.js';
import { relativeL2 } from '../support/numbers.js';
import { imageInput, sampleLike } from './format.js';
import { hashNet } from './nets.js';

interface RelevanceCase {
  readonly arch: string;
  readonly image: string;
  readonly layer: string;
  readonly cls: number;
  readonly logit: number;
  readonly rules: Readonly<
    Record<string, { input_sum: number; input_abs_sum: number; layer_sum: number }>
  >;
}

/** Which table each golden is of. */
const tables: Readonly<Record<string, readonly [Composite, Partial<RelevanceOptions>?]>> = {
  'lrp_epsilon1e-6': ['epsilon'],
  'lrp_epsilon0.25': ['epsilon', { epsilon: 0.25 }],
  lrp_zplus: ['z-plus'],
  lrp_alpha2beta1: ['alpha2-beta1'],
  'lrp_gamma0.25': ['gamma', { gamma: 0.25 }],
  lrp_flat: ['flat'],
  lrp_wsquare: ['w-square'],
  lrp_epsilon_plus: ['epsilon-plus'],
  lrp_epsilon_alpha2_beta1: ['epsilon-alpha2-beta1'],
  lrp_epsilon_plus_flat: ['epsilon-plus-flat'],
  lrp_epsilon_gamma_box: ['epsilon-gamma-box'],
};
const quick = ['lrp_epsilon_gamma_box'];

describe.runIf(hasFolder(goldenDir))('golden relevance', () => {
  useGpu();
  const golden = goldenCases<RelevanceCase>('cams').find((c) => c.name === 'lrp_alexnet')!;
  const names = Object.keys(tables).filter((n) => process.env.GOLDEN_ALL || quick.includes(n));
  let net: Net;
  beforeAll(async () => {
    net = hashNet(await testGpu(), golden.json.arch);
  });
  afterAll(() => net?.destroy());

  test.each(names)('alexnet %s', { timeout: 300_000 }, async (name) => {
    const { json, tensors } = golden;
    const [composite, options = {}] = tables[name];
    const { mean, std } = net.preprocessing;
    const rules = relevanceRules(composite, {
      low: mean.map((m, c) => -m / std[c]),
      high: mean.map((m, c) => (1 - m) / std[c]),
      ...options,
    });
    const image = imageInput(readTensors(join(goldenDir, 'images/images.safetensors')), json.image);
    const recorder = Recorder.on(net.gpu!);
    const x = recorder.constant(image.data, [1, ...image.shape]);
    const trace = net.trace(recorder, x, { taps: [json.layer], backwardTo: ['input'] });
    const seed = new Float32Array(net.classes);
    seed[json.cls] = json.logit;
    const relevance = trace.backward(
      net.graph.output,
      recorder.constant(seed, [1, net.classes]),
      [json.layer, 'input'],
      rules,
    );
    const outputs = await recorder.run([relevance.get('input')!, relevance.get(json.layer)!]);
    const [input, layer] = (await net.gpu!.read(outputs)) as Float32Array[];
    for (const tensor of outputs) tensor.destroy();

    const sums = input.subarray(0, input.length / 3).map((v, i) => {
      return v + input[i + input.length / 3] + input[i + (2 * input.length) / 3];
    });
    let compared = 0;
    for (const [key, got] of [
      ['input.sample', input],
      ['input_sum', sums],
      ['layer', layer],
      ['layer.sample', layer],
    ] as const) {
      const expected = tensors(`${name}.${key}`);
      if (!expected) continue;
      compared++;
      expect
        .soft(relativeL2(sampleLike(got, expected.data), expected.data), key)
        .toBeLessThan(1e-3);
    }
    expect(compared).toBeGreaterThan(1);
    const total = (of: Float32Array) => of.reduce((a, b) => a + b, 0);
    const { input_sum, input_abs_sum, layer_sum } = json.rules[name];
    expect(Math.abs(total(input) - input_sum)).toBeLessThan(1e-3 * input_abs_sum);
    expect(Math.abs(total(layer) - layer_sum)).toBeLessThan(1e-3 * input_abs_sum);
  });
});
