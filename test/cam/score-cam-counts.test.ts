/** What Score-CAM costs beside the forward passes that it needs, counted in plans: no device. */
import { describe, expect, test } from 'vitest';
import { planExplain } from '../../src/cam/explain.js';
import { type Caps, coreCaps } from '../../src/gpu/caps.js';
import { Recorder, type RunPlan } from '../../src/gpu/recorder.js';
import type { Storage } from '../../src/gpu/tensor.js';
import { placeholder } from '../../src/gpu/value.js';
import { type Architecture, imagenetPreprocessing } from '../../src/net/architecture.js';
import { Graph } from '../../src/net/graph.js';
import { AdaptiveAvgPool2d, Conv2d, Flatten, Linear, ReLU } from '../../src/net/modules.js';
import { Net } from '../../src/net/net.js';
import { roomyCaps } from '../support/with-caps.js';

/** A network as a device with other caps plans it. */
function planned(architecture: string | Architecture, caps: Caps, storage: Storage = 'f32'): Net {
  const net = Net.describe(architecture, undefined, { storage });
  Object.defineProperty(net, 'caps', { get: () => caps });
  return net;
}

const scoreCam = (net: Net, batch: number): RunPlan =>
  planExplain(net, placeholder([1, 3, ...net.inputSize]), {
    method: 'score-cam',
    options: { batch },
  });

const gpu: Caps = { ...roomyCaps, features: new Set(['shader-f16']) };
const software: Caps = { ...gpu, kind: 'software' };

describe('adds at most four dispatches a batch to those of the forward pass', () => {
  const maps = { alexnet: 256, vgg16: 512, squeezenet1_1: 512, vit_b_16: 768 };
  for (const [name, count] of Object.entries(maps)) {
    for (const [kind, caps, storage] of [
      ['gpu', gpu, 'f32'],
      ['gpu', gpu, 'f16'],
      ['software', software, 'f32'],
    ] as const) {
      test(`${name}, ${kind}, ${storage}`, () => {
        const net = planned(name, caps, storage);
        const besideForward = (batch: number) => {
          const r = new Recorder(caps);
          const x = placeholder([batch, 3, ...net.inputSize]);
          const forward = r.plan([net.trace(r, x).output]).dispatches;
          return scoreCam(net, batch).dispatches - (count / batch) * forward;
        };
        // What comes once is the same in both; batches of 16 are twice as many.
        const added = besideForward(16) - besideForward(32);
        expect(added).toBeLessThanOrEqual(4 * (count / 32));
        expect(added).toBeGreaterThan(0);
      });
    }
  }
});

/** A layer of K maps of 8 x 8, between layers of eight. */
const withMaps = (K: number): Architecture => ({
  name: 'maps',
  paper: '',
  classes: 4,
  head: 'head',
  defaultLayer: 'features.3',
  preprocessing: imagenetPreprocessing,
  minInput: 32,
  build: (classes) => {
    const g = new Graph();
    const maps = g.sequential('features', 'input', [
      Conv2d(3, 8, 3, { pad: 1, stride: 4 }),
      ReLU,
      Conv2d(8, K, 1),
      ReLU,
      Conv2d(K, 8, 1),
    ]);
    const pooled = g.add('avgpool', [maps], AdaptiveAvgPool2d([1, 1]));
    g.add('head', [g.add('flatten', [pooled], Flatten)], Linear(8, classes));
    return g;
  },
});

const mapsPlan = (K: number, batch: number): RunPlan =>
  planExplain(planned(withMaps(K), coreCaps), placeholder([1, 3, 32, 32]), {
    method: 'score-cam',
    options: { batch },
  });

test('the peak does not grow with the number of maps, but for the maps themselves and 100 bytes each', () => {
  // The network's own values at the layer grow with K, too: [batch,K,8,8], which `forward` has counted.
  const forward = (K: number) => {
    const r = new Recorder(coreCaps);
    const net = planned(withMaps(K), coreCaps);
    return r.plan([net.trace(r, placeholder([8, 3, 32, 32])).output]).arenaBytes;
  };
  for (const [K, more] of [
    [64, 256],
    [256, 1024],
  ]) {
    const grown = mapsPlan(more, 8).arenaBytes - mapsPlan(K, 8).arenaBytes;
    const own = forward(more) - forward(K);
    // Twice: as the layer has them, and stretched to 0 .. 1.
    expect(grown).toBeLessThanOrEqual(own + (more - K) * (2 * 8 * 8 * 4 + 100));
  }
});

test('the last batch, which is not full, has the pipelines of the others', () => {
  const pipelines = (plan: RunPlan) =>
    new Set(plan.steps.map(({ code, constants }) => code + JSON.stringify(constants))).size;
  // 8, 8 and 4; and 8, 8, 5.
  expect(mapsPlan(20, 8).submissions).toBe(mapsPlan(24, 8).submissions);
  expect(pipelines(mapsPlan(20, 8))).toBe(pipelines(mapsPlan(24, 8)));
  expect(pipelines(mapsPlan(21, 8))).toBe(pipelines(mapsPlan(24, 8)));
  expect(pipelines(mapsPlan(200, 8))).toBe(pipelines(mapsPlan(24, 8)));
});
